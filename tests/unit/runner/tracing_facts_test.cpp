#include "labs/runner/tracing_facts.h"

#include <algorithm>

#include <catch2/catch_test_macros.hpp>

#include "labs/runner/kernel_config.h"

using namespace skbtrail::labs;

namespace {

constexpr const char* enough =
    "CONFIG_BLK_DEV_INITRD=y\nCONFIG_BINFMT_ELF=y\nCONFIG_BINFMT_SCRIPT=y\nCONFIG_PROC_FS=y\n"
    "CONFIG_SYSFS=y\nCONFIG_DEVTMPFS=y\nCONFIG_VIRTIO_PCI=m\nCONFIG_VIRTIO_CONSOLE=y\n"
    "CONFIG_NET=y";

}  // namespace

TEST_CASE("an option is set, or a module, or not there") {
    const KernelConfig config("CONFIG_A=y\n# CONFIG_B is not set\nCONFIG_C=m\nCONFIG_AB=y");
    CHECK(config.is_built_in("CONFIG_A"));
    CHECK(config.is_built_in("CONFIG_AB"));
    CHECK_FALSE(config.has("CONFIG_B"));
    CHECK(config.has("CONFIG_C"));
    CHECK_FALSE(config.is_built_in("CONFIG_C"));
    CHECK_FALSE(config.has("ONFIG_A"));
    CHECK_FALSE(KernelConfig("").has("CONFIG_A"));
}

TEST_CASE("what a kernel lacks to be a guest is named") {
    CHECK(missing_for_guest(enough).empty());
    std::string without(enough);
    without.replace(without.find("CONFIG_VIRTIO_CONSOLE=y"), 23, "# CONFIG_VIRTIO_CONSOLE is not");
    CHECK(missing_for_guest(without) == std::vector<std::string>{"CONFIG_VIRTIO_CONSOLE"});
}

TEST_CASE("what can be traced on a kernel names the option that says so") {
    const auto facts = tracing_facts("CONFIG_FUNCTION_GRAPH_TRACER=y\nCONFIG_FPROBE=m\n");
    const auto fact = [&](const char* option) {
        const auto found = std::find_if(facts.begin(), facts.end(), [&](const auto& one) {
            return one.text.find(option) != std::string::npos;
        });
        REQUIRE(found != facts.end());
        return *found;
    };
    CHECK(fact("CONFIG_FUNCTION_GRAPH_TRACER").can);
    CHECK(fact("CONFIG_FUNCTION_GRAPH_TRACER").text.find("is set") != std::string::npos);
    CHECK_FALSE(fact("CONFIG_FPROBE").can);
    CHECK_FALSE(fact("CONFIG_DEBUG_INFO_BTF").can);
    CHECK(fact("CONFIG_DEBUG_INFO_BTF").text.find("not known without BTF") != std::string::npos);
}
