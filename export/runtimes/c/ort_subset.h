// The part of ONNX Runtime's C interface that restore.cpp calls, for machines that have the shared
// library but not its headers (the Python wheels and npm packages carry the library alone).
// `make ORT_INCLUDE=DIR` takes the real onnxruntime_c_api.h instead.
//
// OrtApi is a table of function pointers that only ever grows at its end, so that a program built
// against an old one keeps working; the numbers are places in that table. What is left out is
// skipped by arrays.

#ifndef PNP_PRIORS_ORT_SUBSET_H
#define PNP_PRIORS_ORT_SUBSET_H

#include <cstddef>
#include <cstdint>

#define ORT_API_VERSION 17

struct OrtStatus;
struct OrtEnv;
struct OrtSession;
struct OrtSessionOptions;
struct OrtRunOptions;
struct OrtValue;
struct OrtMemoryInfo;
struct OrtTypeInfo;
struct OrtTensorTypeAndShapeInfo;
struct OrtModelMetadata;
struct OrtAllocator;

enum OrtLoggingLevel { ORT_LOGGING_LEVEL_FATAL = 4 };
enum ONNXTensorElementDataType {
  ONNX_TENSOR_ELEMENT_DATA_TYPE_FLOAT = 1,
  ONNX_TENSOR_ELEMENT_DATA_TYPE_INT64 = 7
};
enum OrtAllocatorType { OrtArenaAllocator = 1 };
enum OrtMemType { OrtMemTypeDefault = 0 };

using OrtSkipped = void (*)();

struct OrtApi {
  OrtSkipped skipped_0[2];
  const char *(*GetErrorMessage)(const OrtStatus *);  // 2
  OrtStatus *(*CreateEnv)(OrtLoggingLevel, const char *id, OrtEnv **);  // 3
  OrtSkipped skipped_4[3];
  OrtStatus *(*CreateSession)(const OrtEnv *, const char *path, const OrtSessionOptions *,
                              OrtSession **);  // 7
  OrtSkipped skipped_8;
  OrtStatus *(*Run)(OrtSession *, const OrtRunOptions *, const char *const *input_names,
                    const OrtValue *const *inputs, size_t input_count,
                    const char *const *output_names, size_t output_count,
                    OrtValue **outputs);  // 9
  OrtStatus *(*CreateSessionOptions)(OrtSessionOptions **);  // 10
  OrtSkipped skipped_11[19];
  OrtStatus *(*SessionGetInputCount)(const OrtSession *, size_t *);  // 30
  OrtSkipped skipped_31[2];
  OrtStatus *(*SessionGetInputTypeInfo)(const OrtSession *, size_t, OrtTypeInfo **);  // 33
  OrtSkipped skipped_34[2];
  OrtStatus *(*SessionGetInputName)(const OrtSession *, size_t, OrtAllocator *, char **);  // 36
  OrtSkipped skipped_37[12];
  OrtStatus *(*CreateTensorWithDataAsOrtValue)(const OrtMemoryInfo *, void *data, size_t bytes,
                                               const int64_t *shape, size_t rank,
                                               ONNXTensorElementDataType, OrtValue **);  // 49
  OrtSkipped skipped_50;
  OrtStatus *(*GetTensorMutableData)(OrtValue *, void **);  // 51
  OrtSkipped skipped_52[3];
  OrtStatus *(*CastTypeInfoToTensorInfo)(const OrtTypeInfo *,
                                         const OrtTensorTypeAndShapeInfo **);  // 55
  OrtSkipped skipped_56[5];
  OrtStatus *(*GetDimensionsCount)(const OrtTensorTypeAndShapeInfo *, size_t *);  // 61
  OrtStatus *(*GetDimensions)(const OrtTensorTypeAndShapeInfo *, int64_t *, size_t);  // 62
  OrtSkipped skipped_63[2];
  OrtStatus *(*GetTensorTypeAndShape)(const OrtValue *, OrtTensorTypeAndShapeInfo **);  // 65
  OrtSkipped skipped_66[3];
  OrtStatus *(*CreateCpuMemoryInfo)(OrtAllocatorType, OrtMemType, OrtMemoryInfo **);  // 69
  OrtSkipped skipped_70[8];
  OrtStatus *(*GetAllocatorWithDefaultOptions)(OrtAllocator **);  // 78
  OrtSkipped skipped_79[14];
  void (*ReleaseStatus)(OrtStatus *);  // 93
  OrtSkipped skipped_94[2];
  void (*ReleaseValue)(OrtValue *);  // 96
  OrtSkipped skipped_97;
  void (*ReleaseTypeInfo)(OrtTypeInfo *);  // 98
  void (*ReleaseTensorTypeAndShapeInfo)(OrtTensorTypeAndShapeInfo *);  // 99
  OrtSkipped skipped_100[11];
  OrtStatus *(*SessionGetModelMetadata)(const OrtSession *, OrtModelMetadata **);  // 111
  OrtSkipped skipped_112[4];
  OrtStatus *(*ModelMetadataLookupCustomMetadataMap)(const OrtModelMetadata *, OrtAllocator *,
                                                     const char *key, char **value);  // 116
};

#define PNP_AT(name, place) static_assert(offsetof(OrtApi, name) == (place) * sizeof(OrtSkipped), "")
PNP_AT(Run, 9);
PNP_AT(SessionGetInputName, 36);
PNP_AT(GetTensorMutableData, 51);
PNP_AT(GetDimensions, 62);
PNP_AT(GetAllocatorWithDefaultOptions, 78);
PNP_AT(ReleaseTensorTypeAndShapeInfo, 99);
PNP_AT(ModelMetadataLookupCustomMetadataMap, 116);
#undef PNP_AT

struct OrtApiBase {
  const OrtApi *(*GetApi)(uint32_t version);
  const char *(*GetVersionString)();
};

extern "C" const OrtApiBase *OrtGetApiBase();

#endif
