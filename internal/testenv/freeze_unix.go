//go:build unix

package testenv

import "syscall"

// Freeze stops the server from answering, without closing its connections; thaw lets it go on.
func (s *RedisServer) Freeze() (thaw func()) {
	s.t.Helper()
	pid, err := s.pid()
	if err == nil {
		err = syscall.Kill(pid, syscall.SIGSTOP)
	}
	if err != nil {
		s.t.Fatalf("freeze redis: %v", err)
	}
	return func() { _ = syscall.Kill(pid, syscall.SIGCONT) }
}
