// Restores pictures with an exported file, by ONNX Runtime's C interface.
//   ./restore MODEL.onnx --check
//   ./restore MODEL.onnx IN.ppm OUT.ppm --sigma 25      (binary PGM and PPM, 8 bits)

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <optional>
#include <sstream>
#include <tuple>

#include "reference.h"
#include "sha256.h"

#ifdef HAVE_ORT_HEADER
#include <onnxruntime_c_api.h>
#else
#include "ort_subset.h"
#endif

using Refused = std::runtime_error;
using Feeds = std::map<std::string, Tensor>;

static const OrtApi *ort = nullptr;

static void must(OrtStatus *status) {
  if (!status) return;
  const std::string message = ort->GetErrorMessage(status);
  ort->ReleaseStatus(status);
  throw Refused(message);
}

// Nothing for a word that is no number, or goes on after it.
static std::optional<double> to_number(const std::string &word) {
  char *end = nullptr;
  const double value = std::strtod(word.c_str(), &end);
  return word.empty() || *end ? std::nullopt : std::optional<double>(value);
}

static std::string shape_text(const std::vector<int64_t> &dims) {
  std::string text;
  for (int64_t size : dims) text += (text.empty() ? "" : " x ") + std::to_string(size);
  return "[" + text + "]";
}

class Model {
 public:
  explicit Model(const std::string &path) {
    must(ort->CreateEnv(ORT_LOGGING_LEVEL_FATAL, "restore", &env_));
    OrtSessionOptions *options = nullptr;
    must(ort->CreateSessionOptions(&options));
    must(ort->CreateSession(env_, path.c_str(), options, &session_));
    must(ort->GetAllocatorWithDefaultOptions(&allocator_));
    must(ort->SessionGetModelMetadata(session_, &metadata_));
    must(ort->CreateCpuMemoryInfo(OrtArenaAllocator, OrtMemTypeDefault, &memory_));
    if (lookup("passport").value_or("") != "1") {
      throw Refused("no passport in this file (metadata property passport=1); export it anew");
    }
    passport("channels");
    read_range();
    read_tolerance();
    size_t count = 0;
    must(ort->SessionGetInputCount(session_, &count));
    for (size_t i = 0; i < count; ++i) {
      char *name = nullptr;
      OrtTypeInfo *type = nullptr;
      const OrtTensorTypeAndShapeInfo *tensor = nullptr;
      must(ort->SessionGetInputName(session_, i, allocator_, &name));
      must(ort->SessionGetInputTypeInfo(session_, i, &type));
      must(ort->CastTypeInfoToTensorInfo(type, &tensor));
      must(ort->GetDimensionsCount(tensor, &ranks[name]));
      ort->ReleaseTypeInfo(type);
    }
  }

  // What the file says about itself.
  std::string passport(const char *key) const {
    const std::optional<std::string> value = lookup(key);
    if (!value) throw Refused(std::string("passport without ") + key);
    return *value;
  }

  // Refuses a noise level (in [0, 1] units) that the file was not trained for.
  void check_sigma(double sigma) const {
    if (!std::isfinite(sigma)) throw Refused("sigma nan or infinite");
    if (!ranged_) return;
    if (sigma >= low_ - 1e-6 && sigma <= high_ + 1e-6) return;  // slack for ends rounded to float32
    char line[120];
    std::snprintf(line, sizeof line, "sigma %g of 255 is outside this file's range, %g to %g",
                  255 * sigma, 255 * low_, 255 * high_);
    throw Refused(line);
  }

  Tensor run(Feeds feeds) const {
    check(feeds);
    std::vector<const char *> names;
    std::vector<OrtValue *> values;
    for (auto &[name, tensor] : feeds) {
      const bool whole = !tensor.integers.empty();
      void *data = whole ? static_cast<void *>(tensor.integers.data()) : tensor.floats.data();
      OrtValue *value = nullptr;
      must(ort->CreateTensorWithDataAsOrtValue(
          memory_, data, tensor.count() * (whole ? 8 : 4), tensor.dims.data(), tensor.dims.size(),
          whole ? ONNX_TENSOR_ELEMENT_DATA_TYPE_INT64 : ONNX_TENSOR_ELEMENT_DATA_TYPE_FLOAT,
          &value));
      names.push_back(name.c_str());
      values.push_back(value);
    }
    const char *wanted = "restored";
    OrtValue *found = nullptr;
    OrtStatus *status = ort->Run(session_, nullptr, names.data(), values.data(), values.size(),
                                 &wanted, 1, &found);
    for (OrtValue *value : values) ort->ReleaseValue(value);
    must(status);
    const std::unique_ptr<OrtValue, void (*)(OrtValue *)> owner(found, ort->ReleaseValue);
    return copy(found);
  }

  std::map<std::string, size_t> ranks;  // number of dimensions of each input
  double tolerance = 0;                 // largest difference to the reference

 private:
  // Of noise levels, in [0, 1] units.
  void read_range() {
    const std::string range = passport("sigma_range");
    ranged_ = !range.empty();
    if (!ranged_) return;
    int end = -1;
    std::sscanf(range.c_str(), " [%lf ,%lf ] %n", &low_, &high_, &end);
    if (end != static_cast<int>(range.size()) || !std::isfinite(low_) ||
        !std::isfinite(high_) || low_ > high_) {
      throw Refused("passport: sigma_range " + range + " is no range");
    }
  }

  void read_tolerance() {
    const std::string text = passport("tolerance");
    const std::optional<double> value = to_number(text);
    if (!value || !std::isfinite(*value) || *value < 0) {
      throw Refused("passport: tolerance " + text + " is no tolerance");
    }
    tolerance = *value;
  }

  std::optional<std::string> lookup(const char *key) const {
    char *value = nullptr;
    must(ort->ModelMetadataLookupCustomMetadataMap(metadata_, allocator_, key, &value));
    return value ? std::optional<std::string>(value) : std::nullopt;
  }

  static Tensor copy(OrtValue *value) {
    Tensor tensor;
    OrtTensorTypeAndShapeInfo *shape = nullptr;
    must(ort->GetTensorTypeAndShape(value, &shape));
    size_t rank = 0;
    must(ort->GetDimensionsCount(shape, &rank));
    tensor.dims.resize(rank);
    must(ort->GetDimensions(shape, tensor.dims.data(), rank));
    ort->ReleaseTensorTypeAndShapeInfo(shape);
    float *data = nullptr;
    must(ort->GetTensorMutableData(value, reinterpret_cast<void **>(&data)));
    tensor.floats.assign(data, data + tensor.count());
    for (float each : tensor.floats) {
      if (!std::isfinite(each)) throw Refused("the result holds NaN or infinity");
    }
    return tensor;
  }

  // Refuses what the graph was not made for, before it runs.
  void check(const Feeds &feeds) const {
    for (auto &[name, rank] : ranks) {
      if (!feeds.count(name)) throw Refused("the graph needs the input " + name);
    }
    for (auto &[name, tensor] : feeds) {
      if (!ranks.count(name)) throw Refused("the graph has no input " + name);
      if (tensor.dims.size() != ranks.at(name) || tensor.count() == 0) {
        throw Refused(name + " is of shape " + shape_text(tensor.dims) + "; " +
                      std::to_string(ranks.at(name)) + " dimensions are needed");
      }
      for (float each : tensor.floats) {
        if (!std::isfinite(each)) throw Refused(name + " holds NaN or infinity");
      }
    }
    const std::string channels = passport("channels");
    const std::string given = std::to_string(feeds.at("x").dims[1]);
    if (channels != "any" && channels != given) {
      throw Refused("x has " + given + " channels; this file takes " + channels);
    }
  }

  bool ranged_ = false;
  double low_ = 0, high_ = 0;
  OrtEnv *env_ = nullptr;  // these live as long as the program
  OrtSession *session_ = nullptr;
  OrtAllocator *allocator_ = nullptr;
  OrtModelMetadata *metadata_ = nullptr;
  OrtMemoryInfo *memory_ = nullptr;
};

static int compare(const Model &model, const std::string &path) {
  const std::string stem = path.substr(0, path.rfind(".onnx"));
  std::map<std::string, Feeds> cases;
  const Reference reference = read_safetensors(stem + ".reference.safetensors");
  const auto expected = reference.extra.find("model_sha256");
  if (expected != reference.extra.end() && expected->second != sha256(read_file(path))) {
    throw Refused("the reference belongs to another file");
  }
  for (auto &[name, tensor] : reference.tensors) {
    const size_t slash = name.find('/');
    if (slash == std::string::npos) throw Refused("reference: " + name + " belongs to no case");
    cases[name.substr(0, slash)][name.substr(slash + 1)] = tensor;
  }
  if (cases.empty()) throw Refused("the reference holds no case");
  double largest = 0;
  for (auto &[name, feeds] : cases) {
    if (!feeds.count("restored")) throw Refused("case " + name + " has no output");
    const Tensor stored = feeds.at("restored");
    feeds.erase("restored");
    const Tensor found = model.run(feeds);
    if (found.dims != stored.dims) {
      throw Refused("case " + name + ": shape " + shape_text(found.dims) + ", stored " +
                    shape_text(stored.dims));
    }
    for (size_t i = 0; i < stored.floats.size(); ++i) {
      largest = std::max(largest, std::fabs(double(found.floats[i]) - stored.floats[i]));
    }
  }
  const std::string allowed = model.passport("tolerance");
  std::printf("largest difference to the stored reference: %.1e (allowed %s)\n", largest,
              allowed.c_str());
  return largest <= model.tolerance ? 0 : 1;
}

// [1, C, H, W] in [0, 1]; a PGM for a colour file is repeated, a PPM for a gray one turned to luma.
static Tensor read_picture(const std::string &path, const std::string &channels) {
  std::istringstream file(read_file(path));
  std::string magic, token;
  int64_t numbers[3] = {0, 0, 0};
  file >> magic;
  for (int64_t &number : numbers) {
    while (file >> token && token[0] == '#') std::getline(file, token);
    number = std::atoll(token.c_str());
  }
  const auto [width, height, top] = std::tuple(numbers[0], numbers[1], numbers[2]);
  const int64_t stored = magic == "P5" ? 1 : 3;
  if ((magic != "P5" && magic != "P6") || width < 1 || height < 1 || top != 255) {
    throw Refused(path + ": not a binary PGM or PPM of 8 bits");
  }
  file.get();
  const auto size = static_cast<int64_t>(file.str().size());
  if (width > size || height > size / width) throw Refused(path + ": cut off");
  const size_t area = static_cast<size_t>(width * height);
  std::string bytes(area * stored, '\0');
  if (!file.read(bytes.data(), static_cast<std::streamsize>(bytes.size()))) {
    throw Refused(path + ": cut off");
  }
  const int64_t wanted = channels == "any" ? stored : channels == "1" ? 1 : 3;
  Tensor image{{1, wanted, height, width}, std::vector<float>(area * wanted), {}};
  const auto *pixels = reinterpret_cast<const unsigned char *>(bytes.data());
  for (size_t i = 0; i < area; ++i, pixels += stored) {
    if (wanted == 1 && stored == 3) {
      const double luma = 0.299 * pixels[0] + 0.587 * pixels[1] + 0.114 * pixels[2];
      image.floats[i] = static_cast<float>(std::lround(luma)) / 255.0f;
      continue;
    }
    for (int64_t c = 0; c < wanted; ++c) {
      image.floats[c * area + i] = pixels[stored == 1 ? 0 : c] / 255.0f;
    }
  }
  return image;
}

static void write_picture(const std::string &path, const Tensor &image) {
  const int64_t channels = image.dims[1], height = image.dims[2], width = image.dims[3];
  const size_t area = static_cast<size_t>(width * height);
  std::string bytes;
  for (size_t i = 0; i < area * channels; ++i) {
    const float value = image.floats[(i % channels) * area + i / channels];
    bytes += static_cast<char>(std::lround(255 * std::clamp(value, 0.0f, 1.0f)));
  }
  std::ofstream file(path, std::ios::binary);
  file << (channels == 1 ? "P5" : "P6") << '\n' << width << ' ' << height << "\n255\n" << bytes;
  if (!file.flush()) throw Refused(path + ": cannot be written");
}

// [rows, columns]; empty lines are skipped.
static Tensor rows_of_numbers(const std::string &path) {
  Tensor tensor;
  std::istringstream file(read_file(path));
  int64_t rows = 0, columns = 0;
  for (std::string line; std::getline(file, line);) {
    std::istringstream row(line);
    int64_t count = 0;
    for (std::string word; row >> word; ++count) {
      const std::optional<double> value = to_number(word);
      if (!value) throw Refused(path + ": " + word + " is no number");
      tensor.floats.push_back(static_cast<float>(*value));
      if (!std::isfinite(tensor.floats.back())) throw Refused(path + ": holds NaN or infinity");
    }
    if (!count) continue;
    if (rows++ && count != columns) throw Refused(path + ": rows of different lengths");
    columns = count;
  }
  if (!rows) throw Refused(path + ": no numbers");
  tensor.dims = {rows, columns};
  return tensor;
}

// NAME=FILE (rows of numbers) or NAME=NUMBER, for inputs besides picture and noise.
static void add_extra(const Model &model, const std::string &setting, Feeds &feeds) {
  const size_t equals = setting.find('=');
  const std::string name = setting.substr(0, equals);
  if (equals == std::string::npos || !model.ranks.count(name)) {
    throw Refused("--with " + setting + ": no such input");
  }
  const std::string value = setting.substr(equals + 1);
  const size_t rank = model.ranks.at(name);
  if (rank == 0) {
    if (value.empty() || value.size() > 9 ||
        value.find_first_not_of("0123456789") != std::string::npos) {
      throw Refused("--with " + setting + ": no whole number of up to nine digits");
    }
    feeds[name] = Tensor{{}, {}, {std::atoll(value.c_str())}};
    return;
  }
  Tensor tensor = rows_of_numbers(value);
  const int64_t rows = tensor.dims[0], columns = tensor.dims[1];
  if (rank == 3) {
    if (rows % 8 || columns != 8) {
      throw Refused(value + ": " + std::to_string(rows) + " x " + std::to_string(columns) +
                    " numbers are no tables, which have 8 rows of 8 each");
    }
    tensor.dims = {rows / 8, 8, 8};
  }
  feeds[name] = tensor;
}

struct Options {
  std::vector<std::string> paths, extra;
  std::optional<double> sigma;
  bool check = false;
};

static double number(const std::string &word) {
  const std::optional<double> value = to_number(word);
  if (!value) throw Refused("--sigma " + word + " is no number");
  return *value;
}

static Options parse(int count, char **words) {
  Options options;
  for (int i = 1; i < count; ++i) {
    const std::string word = words[i];
    const bool last = i + 1 == count;
    if (word == "--check") options.check = true;
    else if (word == "--with" && !last) options.extra.push_back(words[++i]);
    else if (word.rfind("--sigma=", 0) == 0) options.sigma = number(word.substr(8));
    else if (word == "--sigma" && !last) options.sigma = number(words[++i]);
    else if (word.rfind("--", 0) == 0) throw Refused("unknown option " + word);
    else options.paths.push_back(word);
  }
  if (options.paths.size() != (options.check ? 1 : 3)) {
    throw Refused("usage: restore MODEL.onnx --check, or restore MODEL.onnx IN.ppm OUT.ppm "
                  "[--sigma 0..255] [--with NAME=VALUE]");
  }
  return options;
}

static void restore(const Model &model, const Options &options) {
  // a JPEG file's luminance table is for its luminance
  const std::string channels = model.ranks.count("table") ? "1" : model.passport("channels");
  Feeds feeds{{"x", read_picture(options.paths[1], channels)}};
  for (const std::string &each : options.extra) add_extra(model, each, feeds);
  const char *level = model.ranks.count("sigma") ? "sigma"
                      : model.ranks.count("noise") ? "noise" : nullptr;
  if (level && !options.sigma) {
    throw Refused("this file needs a noise level: --sigma, in units of 0..255");
  }
  if (!level && options.sigma) throw Refused("this file is blind: it takes no --sigma");
  if (level) {
    model.check_sigma(*options.sigma / 255);
    Tensor noise{{1}, {}, {}};
    if (model.ranks.at(level) == 4) {
      noise.dims = {1, 1, feeds["x"].dims[2], feeds["x"].dims[3]};
    }
    noise.floats.assign(noise.count(), static_cast<float>(*options.sigma / 255));
    feeds[level] = noise;
  }
  const auto begin = std::chrono::steady_clock::now();
  const Tensor restored = model.run(feeds);
  const std::chrono::duration<double> took = std::chrono::steady_clock::now() - begin;
  write_picture(options.paths[2], restored);
  std::printf("%s: %lld x %lld in %.2f s by onnxruntime %s (C, CPU)\n", options.paths[2].c_str(),
              static_cast<long long>(restored.dims[3]), static_cast<long long>(restored.dims[2]),
              took.count(), OrtGetApiBase()->GetVersionString());
}

int main(int count, char **words) {
  std::string name = count > 1 ? words[1] : "restore";
  try {
    const Options options = parse(count, words);
    name = options.paths[0];
    ort = OrtGetApiBase()->GetApi(ORT_API_VERSION);
    if (!ort) throw Refused("this ONNX Runtime is older than the program");
    read_file(name);  // a missing file gets our line, not the library's
    const Model model(name);
    if (options.check) return compare(model, name);
    restore(model, options);
    return 0;
  } catch (const std::exception &error) {
    std::string line = error.what();
    std::replace(line.begin(), line.end(), '\n', ' ');
    std::fprintf(stderr, "error: %s: %s\n", name.c_str(), line.substr(0, 300).c_str());
    return 2;
  }
}
