// SHA-256 (FIPS 180-4) of bytes, in hexadecimal.

#ifndef PNP_PRIORS_SHA256_H
#define PNP_PRIORS_SHA256_H

#include <array>
#include <cstdint>
#include <string>

namespace sha {

// The first 32 bits of the fractions of the square roots of the first 8 primes, and of the cube
// roots of the first 64.
constexpr std::array<uint32_t, 8> START{
    0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a, 0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19};
constexpr std::array<uint32_t, 64> ROUNDS{
    0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5,
    0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174,
    0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
    0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967,
    0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
    0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
    0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
    0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2};

inline uint32_t turned(uint32_t word, int by) { return word >> by | word << (32 - by); }

}  // namespace sha

inline std::string sha256(const std::string &message) {
  std::array<uint32_t, 8> state = sha::START;
  // a one, zeros up to whole blocks of 64 bytes, and the length in bits
  const uint64_t bits = 8 * static_cast<uint64_t>(message.size());
  std::string tail = "\x80";
  while ((message.size() + tail.size()) % 64 != 56) tail += '\0';
  for (int shift = 56; shift >= 0; shift -= 8) tail += static_cast<char>(bits >> shift & 0xff);
  const auto byte = [&](size_t at) -> uint32_t {
    const char found = at < message.size() ? message[at] : tail[at - message.size()];
    return static_cast<unsigned char>(found);
  };

  using sha::turned;
  for (size_t block = 0; block < message.size() + tail.size(); block += 64) {
    std::array<uint32_t, 64> w{};
    for (size_t i = 0; i < 16; ++i) {
      const size_t at = block + 4 * i;
      w[i] = byte(at) << 24 | byte(at + 1) << 16 | byte(at + 2) << 8 | byte(at + 3);
    }
    for (size_t i = 16; i < 64; ++i) {
      const uint32_t early = turned(w[i - 15], 7) ^ turned(w[i - 15], 18) ^ w[i - 15] >> 3;
      const uint32_t late = turned(w[i - 2], 17) ^ turned(w[i - 2], 19) ^ w[i - 2] >> 10;
      w[i] = w[i - 16] + early + w[i - 7] + late;
    }
    auto [a, b, c, d, e, f, g, h] = state;
    for (size_t i = 0; i < 64; ++i) {
      const uint32_t choice = (e & f) ^ (~e & g), most = (a & b) ^ (a & c) ^ (b & c);
      const uint32_t first =
          h + (turned(e, 6) ^ turned(e, 11) ^ turned(e, 25)) + choice + sha::ROUNDS[i] + w[i];
      const uint32_t second = (turned(a, 2) ^ turned(a, 13) ^ turned(a, 22)) + most;
      h = g, g = f, f = e, e = d + first;
      d = c, c = b, b = a, a = first + second;
    }
    const std::array<uint32_t, 8> change{a, b, c, d, e, f, g, h};
    for (size_t i = 0; i < 8; ++i) state[i] += change[i];
  }
  std::string text;
  for (uint32_t word : state) {
    for (int shift = 28; shift >= 0; shift -= 4) text += "0123456789abcdef"[word >> shift & 15];
  }
  return text;
}

#endif
