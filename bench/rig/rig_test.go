//go:build linux

package rig

import (
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"
)

// TestProcess follows children from start to end.
func TestProcess(t *testing.T) {
	t.Parallel()
	runtime.LockOSThread() // parent-death signals follow the thread
	defer runtime.UnlockOSThread()
	start := func(name, script string) *Process {
		t.Helper()
		p, err := Start(Spec{Dir: t.TempDir(), Name: name, Env: []string{"RIG_WORD=hello", "RIG_FIFO=" + filepath.Join(t.TempDir(), "fifo")}, Args: []string{"/bin/sh", "-c", script}})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(p.Stop)
		return p
	}
	p := start("echo", `echo $RIG_WORD; read word; echo "got $word"; exit 7`)
	if line, err := p.ReadLine(t.Context(), 5*time.Second); err != nil || line != "hello" {
		t.Errorf("first line %q, %v", line, err)
	}
	if _, err := p.In.Write([]byte("back\n")); err != nil {
		t.Error(err)
	}
	if code := p.Code(); code != 7 {
		t.Errorf("code %d, want 7", code)
	}
	// What an ended process wrote can still be read.
	if line, err := p.ReadLine(t.Context(), 5*time.Second); err != nil || line != "got back" {
		t.Errorf("last line %q, %v", line, err)
	}
	if err := p.Signal(syscall.SIGCONT); err != nil {
		t.Errorf("signal to an ended process: %v", err)
	}

	p = start("fails", `echo trouble >&2; exit 1`)
	if _, err := p.ReadLine(t.Context(), 5*time.Second); err == nil || !strings.Contains(err.Error(), "trouble") {
		t.Errorf("error %v lacks the log", err)
	}

	p = start("whole", `echo one; echo two`)
	if text, err := p.ReadAll(t.Context(), 5*time.Second); err != nil || string(text) != "one\ntwo\n" {
		t.Errorf("all of it is %q, %v", text, err)
	}
	p = start("failing", `echo one; echo trouble >&2; exit 3`)
	if text, err := p.ReadAll(t.Context(), 5*time.Second); err == nil || !strings.Contains(err.Error(), "code 3") || string(text) != "one\n" {
		t.Errorf("failed with %q, %v", text, err)
	}

	// It neither ends with its stdin nor by a signal that it may ignore, and has no child of its own.
	p = start("stubborn", `trap "" TERM; mkfifo "$RIG_FIFO"; exec 3<>"$RIG_FIFO"; echo up; read x <&3`)
	if _, err := p.ReadLine(t.Context(), 5*time.Second); err != nil {
		t.Fatal(err)
	}
	p.Stop()
	if code := p.Code(); code != -1 {
		t.Errorf("code %d of a process that was killed", code)
	}
	if err := syscall.Kill(-p.PID(), 0); !errors.Is(err, syscall.ESRCH) {
		t.Errorf("its group is still there: %v", err)
	}
}

// TestMachine reads this machine and saves it.
func TestMachine(t *testing.T) {
	t.Parallel()
	files, err := RaiseFiles()
	if err != nil {
		t.Fatal(err)
	}
	m := ReadMachine(files, "")
	if m.Cores < 1 || m.FileLimit == 0 || m.Pinned != "no" || strings.Contains(m.String(), "unknown") {
		t.Errorf("machine %+v", m)
	}
	at := time.Date(2026, 11, 21, 13, 0, 0, 0, time.UTC)
	name, err := Save(t.TempDir(), "test", at, m)
	if err != nil || !strings.HasSuffix(name, "/test-20261121-130000.json") {
		t.Errorf("saved as %q, %v", name, err)
	}
	if b, err := os.ReadFile(name); err != nil || !strings.Contains(string(b), m.Kernel) {
		t.Errorf("file %s: %v", b, err)
	}
}
