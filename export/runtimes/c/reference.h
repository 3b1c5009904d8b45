// Reads .safetensors files: 8 bytes of header size, a JSON header, raw little-endian data.

#ifndef PNP_PRIORS_REFERENCE_H
#define PNP_PRIORS_REFERENCE_H

#include <cstdint>
#include <cstring>
#include <fstream>
#include <iterator>
#include <map>
#include <stdexcept>
#include <string>
#include <vector>

struct Tensor {
  std::vector<int64_t> dims;
  std::vector<float> floats;      // one of the two holds the values
  std::vector<int64_t> integers;

  size_t count() const {
    size_t product = 1;
    for (int64_t size : dims) product *= static_cast<size_t>(size);
    return product;
  }
};

inline std::string read_file(const std::string &path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) throw std::runtime_error(path + ": no such file");
  return {std::istreambuf_iterator<char>(file), {}};
}

// Just the JSON that such headers hold: objects of objects of strings and lists of whole numbers.
class Header {
 public:
  explicit Header(const std::string &text) : text_(text) {}

  struct Entry {
    std::map<std::string, std::string> words;
    std::map<std::string, std::vector<int64_t>> lists;
  };

  std::map<std::string, Entry> read() {
    std::map<std::string, Entry> entries;
    members([&](const std::string &name) {
      Entry &entry = entries[name];
      members([&](const std::string &key) {
        if (peek() == '[') entry.lists[key] = list();
        else entry.words[key] = word();
      });
    });
    return entries;
  }

 private:
  char peek() {
    while (at_ < text_.size() && std::strchr(" \t\r\n", text_[at_])) ++at_;
    if (at_ >= text_.size()) throw std::runtime_error("header cut off");
    return text_[at_];
  }

  void expect(char wanted) {
    if (peek() != wanted) throw std::runtime_error(std::string("header: no ") + wanted);
    ++at_;
  }

  std::string word() {
    expect('"');
    std::string value;
    for (; at_ < text_.size() && text_[at_] != '"'; ++at_) {
      if (text_[at_] == '\\') ++at_;  // what is escaped matters to no name that we look for
      if (at_ < text_.size()) value += text_[at_];
    }
    expect('"');
    return value;
  }

  std::vector<int64_t> list() {
    std::vector<int64_t> values;
    for (expect('['); peek() != ']';) {
      size_t used = 0;
      try {
        values.push_back(std::stoll(text_.substr(at_, 20), &used));
      } catch (const std::exception &) {
        throw std::runtime_error("header: not a whole number");
      }
      at_ += used;
      if (peek() == ',') ++at_;
    }
    ++at_;
    return values;
  }

  template <class Member>
  void members(Member member) {
    for (expect('{'); peek() != '}';) {
      const std::string name = word();
      expect(':');
      member(name);
      if (peek() == ',') ++at_;
    }
    ++at_;
  }

  const std::string &text_;
  size_t at_ = 0;
};

struct Reference {
  std::map<std::string, Tensor> tensors;
  std::map<std::string, std::string> extra;  // what the header says besides
};

inline Reference read_safetensors(const std::string &path) {
  const std::string bytes = read_file(path);
  uint64_t size = 0;
  if (bytes.size() >= 8) std::memcpy(&size, bytes.data(), 8);
  if (bytes.size() < 8 || size > bytes.size() - 8) {
    throw std::runtime_error(path + ": not a safetensors file, or cut off");
  }
  const std::string header = bytes.substr(8, size);
  Reference found;
  for (auto &[name, entry] : Header(header).read()) {
    if (name == "__metadata__") {
      found.extra = entry.words;
      continue;
    }
    Tensor tensor;
    tensor.dims = entry.lists["shape"];
    const std::vector<int64_t> span = entry.lists["data_offsets"];
    const bool whole = entry.words["dtype"] == "I64";
    if (!whole && entry.words["dtype"] != "F32") {
      throw std::runtime_error(path + ": " + name + " is neither F32 nor I64");
    }
    const size_t wanted = tensor.count() * (whole ? 8 : 4);
    if (span.size() != 2 || span[0] < 0 || span[1] - span[0] != static_cast<int64_t>(wanted) ||
        8 + size + static_cast<uint64_t>(span[1]) > bytes.size()) {
      throw std::runtime_error(path + ": not a safetensors file, or cut off");
    }
    void *target = nullptr;
    if (whole) {
      tensor.integers.resize(tensor.count());
      target = tensor.integers.data();
    } else {
      tensor.floats.resize(tensor.count());
      target = tensor.floats.data();
    }
    std::memcpy(target, bytes.data() + 8 + size + span[0], wanted);
    found.tensors[name] = std::move(tensor);
  }
  return found;
}

#endif
