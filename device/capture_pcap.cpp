#include <stdexcept>

#include <pcap/pcap.h>

#include "device/capture_file.h"

namespace skbtrail::device {

namespace {

/// More than any frame: 64 KiB of segmentation offload and its headers.
constexpr int snapshot_length = 262144;

class PcapCaptureFile final : public CaptureFile {
  public:
    explicit PcapCaptureFile(std::FILE* stream)
        : pcap_(::pcap_open_dead_with_tstamp_precision(DLT_EN10MB, snapshot_length,
                                                       PCAP_TSTAMP_PRECISION_NANO),
                &::pcap_close),
          dumper_(nullptr, &::pcap_dump_close) {
        if (!pcap_) {
            std::fclose(stream);
            throw std::runtime_error("out of memory");
        }
        dumper_.reset(::pcap_dump_fopen(pcap_.get(), stream));
        if (!dumper_) {
            throw std::runtime_error(::pcap_geterr(pcap_.get()));  // and has closed the stream
        }
    }

    void write(const CapturedFrame& frame) override {
        const auto seconds = std::chrono::floor<std::chrono::seconds>(frame.time);
        pcap_pkthdr header{};
        header.ts.tv_sec = seconds.count();
        // With nanosecond precision libpcap takes nanoseconds here.
        header.ts.tv_usec = (frame.time - seconds).count();
        header.len = static_cast<bpf_u_int32>(frame.bytes.size());
        header.caplen = header.len;
        ::pcap_dump(reinterpret_cast<u_char*>(dumper_.get()), &header,
                    reinterpret_cast<const u_char*>(frame.bytes.data()));
    }
    std::FILE* stream() override { return ::pcap_dump_file(dumper_.get()); }

  private:
    std::unique_ptr<pcap_t, void (*)(pcap_t*)> pcap_;
    std::unique_ptr<pcap_dumper_t, void (*)(pcap_dumper_t*)> dumper_;
};

}  // namespace

std::unique_ptr<CaptureFile> make_pcap_file(std::FILE* stream) {
    return std::make_unique<PcapCaptureFile>(stream);
}

}  // namespace skbtrail::device
