from resource import RLIMIT_NOFILE, getrlimit, setrlimit

from kubectl_extsvc.sandbox.running import MOST_FILES, raise_file_limit


def test_soft_limit_of_open_files_is_raised_to_the_hard_one_within_reason() -> None:
    soft, hard = getrlimit(RLIMIT_NOFILE)
    setrlimit(RLIMIT_NOFILE, (256, hard))
    try:
        raise_file_limit()
        assert getrlimit(RLIMIT_NOFILE) == (MOST_FILES if hard < 0 else min(hard, MOST_FILES), hard)
    finally:
        setrlimit(RLIMIT_NOFILE, (soft, hard))
