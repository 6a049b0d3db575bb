package harness

import "syscall"

// endWithUs makes a process end with the test binary, even if that is killed or runs into its time limit.
func endWithUs() *syscall.SysProcAttr { return &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL} }
