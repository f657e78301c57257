#include "device/wire/pcap_file.h"

#include <array>
#include <cerrno>
#include <cstdio>
#include <stdexcept>
#include <system_error>

#include <fcntl.h>
#include <fmt/format.h>
#include <pcap/pcap.h>
#include <unistd.h>

namespace skbtrail::device {

void PcapFile::Close::operator()(pcap* handle) const {
    ::pcap_close(handle);
}

void PcapFile::FreeFilter::operator()(bpf_program* program) const {
    ::pcap_freecode(program);
    delete program;
}

PcapFile::PcapFile(const std::string& path, const std::string& filter)
    : path_(path), filter_text_(filter), fd_(::open(path.c_str(), O_RDONLY | O_CLOEXEC)) {
    if (!fd_) {
        throw std::runtime_error(fmt::format("cannot read the capture \"{}\": {}", path,
                                             std::generic_category().message(errno)));
    }
    open();
    if (::pcap_datalink(pcap_.get()) != DLT_EN10MB) {
        const char* const name = ::pcap_datalink_val_to_name(::pcap_datalink(pcap_.get()));
        throw std::runtime_error(
            fmt::format("cannot replay the capture \"{}\": its frames are {}, not Ethernet", path,
                        name != nullptr ? name : "of a kind without a name"));
    }
}

PcapFile::~PcapFile() = default;

void PcapFile::open() {
    const auto fail = [this](const std::string& why) {
        throw std::runtime_error(fmt::format("cannot read the capture \"{}\": {}", path_, why));
    };
    filter_.reset();
    pcap_.reset();
    // libpcap closes what it reads: ours stays open for the next round.
    UniqueFd fd(::fcntl(fd_.get(), F_DUPFD_CLOEXEC, 0));
    if (!fd || ::lseek(fd.get(), 0, SEEK_SET) != 0) {
        fail(std::generic_category().message(errno));
    }
    std::FILE* const file = ::fdopen(fd.get(), "rb");
    if (file == nullptr) {
        fail(std::generic_category().message(errno));
    }
    (void)fd.release();  // the FILE's
    std::array<char, PCAP_ERRBUF_SIZE> error{};
    pcap_.reset(
        ::pcap_fopen_offline_with_tstamp_precision(file, PCAP_TSTAMP_PRECISION_NANO, error.data()));
    if (!pcap_) {
        std::fclose(file);
        fail(error.data());
    }
    // NOLINTNEXTLINE(clang-analyzer-unix.Stream): libpcap has the stream, and closes it
    if (filter_text_.empty()) {
        return;
    }
    auto program = std::make_unique<bpf_program>();
    if (::pcap_compile(pcap_.get(), program.get(), filter_text_.c_str(), 1, PCAP_NETMASK_UNKNOWN) !=
        0) {
        throw std::invalid_argument(
            fmt::format("--wire pcap: filter={}: {}", filter_text_, ::pcap_geterr(pcap_.get())));
    }
    filter_.reset(program.release());
}

std::optional<PcapFile::Record> PcapFile::next() {
    for (;;) {
        pcap_pkthdr* header = nullptr;
        const u_char* bytes = nullptr;
        const int result = ::pcap_next_ex(pcap_.get(), &header, &bytes);
        if (result != 1) {
            error_ = result == PCAP_ERROR_BREAK ? "" : ::pcap_geterr(pcap_.get());
            return std::nullopt;
        }
        if (filter_ && ::pcap_offline_filter(filter_.get(), header, bytes) == 0) {
            continue;
        }
        // With nanosecond precision libpcap gives nanoseconds there.
        return Record{
            std::chrono::seconds(header->ts.tv_sec) + std::chrono::nanoseconds(header->ts.tv_usec),
            {reinterpret_cast<const std::byte*>(bytes), header->caplen},
            header->caplen < header->len};
    }
}

void PcapFile::rewind() {
    open();
}

}  // namespace skbtrail::device
