#include "labs/runner/proof_guest.h"

extern "C" {
extern const char skbtrail_proof_guest_begin[];
extern const char skbtrail_proof_guest_end[];
}

namespace skbtrail::labs {

std::string_view proof_guest_image() {
    return {skbtrail_proof_guest_begin, skbtrail_proof_guest_end};
}

}  // namespace skbtrail::labs
