package bench

import (
	"errors"
	"fmt"
	"syscall"
)

// spareFiles are open files beside connections: the program's own, its results, the timers.
const spareFiles = 64

// checkLimits raises the limit of open files as far as it goes, and refuses a concurrency that this machine cannot have. 0 is
// no fixed concurrency: then a run that meets a limit says so at its end.
func checkLimits(concurrency int, shared bool) error {
	files, err := raiseFiles()
	if err != nil {
		return err
	}
	if shared { // HTTP/2: many requests on a connection
		return nil
	}
	if need := int64(concurrency) + spareFiles; files > 0 && need > files {
		return fmt.Errorf("concurrency %d needs %d open files, the limit (RLIMIT_NOFILE) is %d: raise it with ulimit -n", concurrency, need, files)
	}
	if ports := localPorts(); ports > 0 && concurrency > ports {
		return fmt.Errorf("concurrency %d needs as many local ports, this machine has %d for one address (net.ipv4.ip_local_port_range)", concurrency, ports)
	}
	return nil
}

// ownLimit returns which limit of this machine an error is about, "" if it is about none.
func ownLimit(err error) string {
	switch {
	case errors.Is(err, syscall.EMFILE):
		return "out of open files (RLIMIT_NOFILE, ulimit -n)"
	case errors.Is(err, syscall.ENFILE):
		return "out of open files (fs.file-max)"
	case errors.Is(err, syscall.EADDRNOTAVAIL):
		return "out of local ports for this address (net.ipv4.ip_local_port_range)"
	case errors.Is(err, syscall.ENOBUFS), errors.Is(err, syscall.ENOMEM):
		return "out of memory for sockets"
	}
	return ""
}
