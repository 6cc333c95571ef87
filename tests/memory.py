"""The largest memory of a process that a test starts: a function to be put before its program."""

# Not `ru_maxrss` on Linux: there it begins with that of the process that started this one.
PEAK = """
def peak_mib():
    import os, resource, sys
    if os.path.exists("/proc/self/status"):
        with open("/proc/self/status") as status:
            return next(int(x.split()[1]) / 1024 for x in status if x.startswith("VmHWM"))
    unit = 1024**2 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / unit

"""
