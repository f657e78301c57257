// skbtrail-init, PID 1 of a guest: works one job (/job.json), tells the host about it, and switches
// the machine off. Whatever goes wrong ends the same way: a sentence to the host and the console,
// then power-off. It never returns, because a kernel whose PID 1 ends panics.
#include <cstdlib>
#include <exception>
#include <fstream>
#include <iterator>
#include <string>

#include <fcntl.h>
#include <unistd.h>

#include "guest/error.h"
#include "guest/init/host_link.h"
#include "guest/init/step_runner.h"
#include "guest/init/system.h"
#include "guest/job.h"

namespace {

using namespace skbtrail::guest;

constexpr const char* job_path = "/job.json";
constexpr const char* sent_job = "/run/job.cpio";

JobSpec read_job() {
    std::ifstream file(job_path, std::ios::binary);
    if (!file) {
        throw Error(std::string("The guest's initramfs has no job (") + job_path + ").");
    }
    return parse_job(std::string(std::istreambuf_iterator<char>(file), {}));
}

void set_environment() {
    ::clearenv();  // the kernel passes words of its command line that it does not know
    ::setenv("PATH", "/bin:/sbin:/usr/bin:/usr/sbin", 1);
    ::setenv("HOME", "/root", 1);
    ::setenv("LANG", "C.UTF-8", 1);
    ::setenv("TERM", "linux", 1);
}

/// A machine without a console leaves PID 1 without standard streams; a pipe must not take their
/// numbers.
void fill_standard_streams() {
    int file = ::open("/dev/null", O_RDWR);
    while (file >= 0 && file <= STDERR_FILENO) {
        file = ::open("/dev/null", O_RDWR);
    }
    ::close(file);
}

/// Works the job; the status for the last message.
int work(const JobSpec& job, HostLink& link) {
    load_modules(job.modules);
    set_sysctls(job.sysctls);
    link.phase(phase::modules_loaded);
    StepRunner runner(job, link);
    bool succeeded = true;
    for (const JobStep& step : job.steps) {
        succeeded = runner.run(step);
        if (!succeeded) {
            break;
        }
    }
    runner.end_everything();
    for (const std::string& path : job.return_files) {
        if (::access(path.c_str(), F_OK) == 0) {
            link.file(path, path);
        }
    }
    return succeeded ? 0 : 1;
}

void live() {
    set_environment();
    mount_file_systems();
    fill_standard_streams();
    JobSpec job = read_job();
    load_modules(job.early_modules);
    HostLink link;
    int status = 1;
    try {
        if (job.deferred) {
            link.receive_job(sent_job);
            unpack(sent_job);
            job = read_job();
        }
        link.phase(phase::booted);
        status = work(job, link);
    } catch (const std::exception& error) {
        link.error(error.what());
    }
    link.end(status);
}

}  // namespace

int main() {
    if (::getpid() != 1) {
        to_console(
            "this program is the first process of a guest of skbtrail; it is not run by "
            "hand");
        return 64;
    }
    try {
        live();
    } catch (const std::exception& error) {
        to_console(error.what());
    } catch (...) {
        to_console("the job ended for a reason that is not known");
    }
    skbtrail::guest::power_off();
}
