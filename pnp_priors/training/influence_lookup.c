/* Influence functions on bfloat16 responses, for training on the CPU.

   A bfloat16 number has so few values between 2^-4 and 352 that a table can hold the function at
   each of them: evaluation is one look-up without interpolation, and the gradient of the table is
   a histogram. Layout of all arrays: [rows][filters][16], 16 being the positions of one 4x4 cell.
   A table row is [positive keys][negative keys]; smaller magnitudes share the first key, larger
   ones the last. Built on demand by diffusion_bf16.py, which has the same in torch. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#ifdef _OPENMP
#include <omp.h>
#endif
#ifdef __AVX512F__
#include <immintrin.h>
#endif

enum { LOW = 0x3D80, HIGH = 0x43B0, KEYS = HIGH - LOW + 1, LANES = 16, TILE = 16 };

#ifdef __AVX512F__
static inline __m512i keys_of(const uint16_t *z)
{
    const __m512i bits = _mm512_cvtepu16_epi32(_mm256_loadu_si256((const __m256i *)z));
    const __m512i low = _mm512_set1_epi32(LOW);
    __m512i key = _mm512_and_si512(bits, _mm512_set1_epi32(0x7fff));
    key = _mm512_min_epi32(_mm512_max_epi32(key, low), _mm512_set1_epi32(HIGH));
    key = _mm512_sub_epi32(key, low);
    const __mmask16 negative = _mm512_test_epi32_mask(bits, _mm512_set1_epi32(0x8000));
    return _mm512_mask_add_epi32(key, negative, key, _mm512_set1_epi32(KEYS));
}
#else
static inline int key_of(uint16_t bits)
{
    int key = bits & 0x7fff;
    key = key < LOW ? LOW : key > HIGH ? HIGH : key;
    return key - LOW + (bits & 0x8000 ? KEYS : 0);
}

static inline float widen(uint16_t bits)
{
    const uint32_t wide = (uint32_t)bits << 16;
    float value;
    memcpy(&value, &wide, 4);
    return value;
}

static inline uint16_t narrow(float value)
{
    uint32_t bits;
    memcpy(&bits, &value, 4);
    return (uint16_t)((bits + 0x7fffu + ((bits >> 16) & 1u)) >> 16);
}
#endif

/* out = table[key(z)]; the table holds bfloat16 bits in its low halves. */
void influence_forward(const uint16_t *z, const int32_t *table, uint16_t *out, int64_t rows,
                       int64_t filters)
{
#pragma omp parallel for schedule(static)
    for (int64_t first = 0; first < rows; first += TILE) {
        const int64_t last = first + TILE < rows ? first + TILE : rows;
        for (int64_t f = 0; f < filters; f++) {
            const int32_t *row = table + f * 2 * KEYS;
            for (int64_t r = first; r < last; r++) {
                const int64_t at = (r * filters + f) * LANES;
#ifdef __AVX512F__
                const __m512i found = _mm512_i32gather_epi32(keys_of(z + at), row, 4);
                _mm256_storeu_si256((__m256i *)(out + at), _mm512_cvtepi32_epi16(found));
#else
                for (int i = 0; i < LANES; i++)
                    out[at + i] = (uint16_t)row[key_of(z[at + i])];
#endif
            }
        }
    }
}

static void backward_rows(const uint16_t *z, const float *slopes, const uint16_t *grad,
                          uint16_t *grad_z, float *histogram, int64_t begin, int64_t end,
                          int64_t filters)
{
    for (int64_t first = begin; first < end; first += TILE) {
        const int64_t last = first + TILE < end ? first + TILE : end;
        for (int64_t f = 0; f < filters; f++) {
            const float *row = slopes + f * 2 * KEYS;
            float *bins = histogram + f * 2 * KEYS;
            for (int64_t r = first; r < last; r++) {
                const int64_t at = (r * filters + f) * LANES;
#ifdef __AVX512F__
                int32_t key[LANES] __attribute__((aligned(64)));
                float g[LANES] __attribute__((aligned(64)));
                const __m512i keys = keys_of(z + at);
                const __m512i wide =
                    _mm512_cvtepu16_epi32(_mm256_loadu_si256((const __m256i *)(grad + at)));
                const __m512 value = _mm512_castsi512_ps(_mm512_slli_epi32(wide, 16));
                _mm512_store_si512(key, keys);
                _mm512_store_ps(g, value);
                __m512i bits = _mm512_castps_si512(
                    _mm512_mul_ps(value, _mm512_i32gather_ps(keys, row, 4)));
                const __m512i odd =
                    _mm512_and_si512(_mm512_srli_epi32(bits, 16), _mm512_set1_epi32(1));
                bits = _mm512_add_epi32(bits,
                                        _mm512_add_epi32(_mm512_set1_epi32(0x7fff), odd));
                _mm256_storeu_si256((__m256i *)(grad_z + at),
                                    _mm512_cvtepi32_epi16(_mm512_srli_epi32(bits, 16)));
                for (int i = 0; i < LANES; i++)
                    bins[key[i]] += g[i];
#else
                for (int i = 0; i < LANES; i++) {
                    const int key = key_of(z[at + i]);
                    const float g = widen(grad[at + i]);
                    grad_z[at + i] = narrow(g * row[key]);
                    bins[key] += g;
                }
#endif
            }
        }
    }
}

/* grad_z = grad * slopes[key(z)]; histogram[f][key] += grad, which must come zeroed.
   Returns 0, or 1 when there was no memory for a thread's histogram. */
int influence_backward(const uint16_t *z, const float *slopes, const uint16_t *grad,
                       uint16_t *grad_z, float *histogram, int64_t rows, int64_t filters,
                       int threads)
{
    const int64_t bins = filters * 2 * KEYS;
    float *private_bins = NULL;
    if (threads < 1)
        threads = 1;
    if (threads > 1) {
        private_bins = calloc((size_t)(threads - 1) * bins, sizeof(float));
        if (!private_bins)
            return 1;
    }
    const int64_t share = (rows + threads - 1) / threads;
#pragma omp parallel for schedule(static, 1) num_threads(threads)
    for (int t = 0; t < threads; t++) {
        const int64_t begin = t * share < rows ? t * share : rows;
        const int64_t end = begin + share < rows ? begin + share : rows;
        float *mine = t ? private_bins + (t - 1) * bins : histogram;
        backward_rows(z, slopes, grad, grad_z, mine, begin, end, filters);
    }
    for (int t = 1; t < threads; t++) /* fixed order: the sum is the same in every run */
        for (int64_t i = 0; i < bins; i++)
            histogram[i] += private_bins[(t - 1) * bins + i];
    free(private_bins);
    return 0;
}
