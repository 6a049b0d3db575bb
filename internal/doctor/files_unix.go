//go:build unix

package doctor

import (
	"math"
	"syscall"
)

// openFileLimit returns how many files this process may have open.
func openFileLimit() (n int64, ok bool) {
	var r syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &r); err != nil {
		return 0, false
	}
	return int64(min(uint64(r.Cur), math.MaxInt64)), true
}
