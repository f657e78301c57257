// skbtrail_fuzz_seeds DIR            writes the seeds of all fuzzers into DIR/FUZZER/seed-NAME
// skbtrail_fuzz_seeds --check DIR    fails unless DIR has exactly these
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <set>
#include <string>

#include "tests/hostile/fuzz/seeds.h"

namespace fs = std::filesystem;
using namespace skbtrail::hostile;

namespace {

const std::map<std::string, Seeds (*)()> fuzzers = {
    {"messages", &message_seeds},
    {"split_rings", &ring_seeds},
    {"packed_rings", &ring_seeds},
    {"frames", &frame_seeds},
    {"scripts", &script_seeds},
    {"control", &control_seeds},
    {"driver_commands", &driver_command_seeds},
    {"recordings", &recording_seeds},
    {"lines", &line_seeds},
};

std::string text_of(const std::vector<std::byte>& bytes) {
    return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

std::string read(const fs::path& path) {
    std::ifstream file(path, std::ios::binary);
    return {std::istreambuf_iterator<char>(file), {}};
}

/// The seeds among the files of a directory: what fuzzers found has other names.
std::set<std::string> seeds_in(const fs::path& directory) {
    std::set<std::string> names;
    if (fs::exists(directory)) {
        for (const auto& entry : fs::directory_iterator(directory)) {
            const std::string name = entry.path().filename();
            if (name.starts_with("seed-")) {
                names.insert(name);
            }
        }
    }
    return names;
}

void write_all(const fs::path& root) {
    for (const auto& [fuzzer, make] : fuzzers) {
        for (const std::string& old : seeds_in(root / fuzzer)) {
            fs::remove(root / fuzzer / old);
        }
        fs::create_directories(root / fuzzer);
        for (const auto& [name, bytes] : make()) {
            std::ofstream(root / fuzzer / ("seed-" + name), std::ios::binary) << text_of(bytes);
        }
    }
}

int check_all(const fs::path& root) {
    int wrong = 0;
    for (const auto& [fuzzer, make] : fuzzers) {
        std::set<std::string> there = seeds_in(root / fuzzer);
        for (const auto& [name, bytes] : make()) {
            const std::string file = "seed-" + name;
            if (there.erase(file) == 0 || read(root / fuzzer / file) != text_of(bytes)) {
                std::fprintf(stderr, "%s/%s is not what the generator makes\n", fuzzer.c_str(),
                             file.c_str());
                ++wrong;
            }
        }
        for (const std::string& surplus : there) {
            std::fprintf(stderr, "%s/%s is not made by the generator\n", fuzzer.c_str(),
                         surplus.c_str());
            ++wrong;
        }
    }
    return wrong == 0 ? 0 : 1;
}

}  // namespace

int main(int argc, char** argv) {
    if (argc == 2) {
        write_all(argv[1]);
        return 0;
    }
    if (argc == 3 && std::string(argv[1]) == "--check") {
        return check_all(argv[2]);
    }
    std::fprintf(stderr, "usage: skbtrail_fuzz_seeds [--check] DIRECTORY\n");
    return 64;
}
