package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"
	"unsafe"
)

// programArgs is the environment variable that makes this test binary the program.
const programArgs = "SLUICE_TEST_PROGRAM"

// TestProgram is the program itself, when TestBenchOnTerminal starts this binary anew. By itself it tests nothing.
func TestProgram(t *testing.T) {
	args := os.Getenv(programArgs)
	if args == "" {
		return
	}
	os.Args = append([]string{"sluice"}, strings.Fields(args)...)
	main() // exits by itself if there is an error
	os.Exit(0)
}

func terminalCall(t *testing.T, f *os.File, request uintptr, arg unsafe.Pointer) {
	t.Helper()
	conn, err := f.SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	var errno syscall.Errno
	if err := conn.Control(func(fd uintptr) { _, _, errno = syscall.Syscall(syscall.SYS_IOCTL, fd, request, uintptr(arg)) }); err != nil || errno != 0 {
		t.Fatalf("ioctl %#x: %v %v", request, err, errno)
	}
}

// openTerminal returns the two ends of a terminal.
func openTerminal(t *testing.T) (master, slave *os.File) {
	t.Helper()
	master, err := os.OpenFile("/dev/ptmx", os.O_RDWR|syscall.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	var unlock, number int32
	terminalCall(t, master, syscall.TIOCSPTLCK, unsafe.Pointer(&unlock))
	terminalCall(t, master, syscall.TIOCGPTN, unsafe.Pointer(&number))
	slave, err = os.OpenFile(fmt.Sprint("/dev/pts/", number), os.O_RDWR|syscall.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	return master, slave
}

func resize(t *testing.T, f *os.File, columns, rows uint16) {
	t.Helper()
	size := [4]uint16{rows, columns}
	terminalCall(t, f, syscall.TIOCSWINSZ, unsafe.Pointer(&size))
}

func modes(t *testing.T, f *os.File) (s syscall.Termios) {
	t.Helper()
	terminalCall(t, f, syscall.TCGETS, unsafe.Pointer(&s))
	return s
}

// TestBenchOnTerminal runs the real program on a real terminal: it draws, follows the terminal's size, hears Ctrl-C, and leaves the
// terminal as it was.
func TestBenchOnTerminal(t *testing.T) {
	t.Parallel()
	master, slave := openTerminal(t)
	defer master.Close()
	resize(t, slave, 120, 40)
	before := modes(t, slave)

	chunks := make(chan string, 10_000) // sent and closed by the goroutine below
	go func() {
		defer close(chunks)
		buf := make([]byte, 64<<10)
		for {
			n, err := master.Read(buf)
			chunks <- string(buf[:n])
			if err != nil {
				return // the other end is closed
			}
		}
	}()
	var seen strings.Builder
	await := func(want string) {
		t.Helper()
		deadline := time.After(60 * time.Second)
		for !strings.Contains(seen.String(), want) {
			select {
			case c, ok := <-chunks:
				if !ok {
					t.Fatalf("the terminal was closed before %q:\n%q", want, seen.String())
				}
				seen.WriteString(c)
			case <-deadline:
				t.Fatalf("no %q:\n%q", want, seen.String())
			}
		}
		seen.Reset()
	}

	program := exec.Command(os.Args[0], "-test.run=^TestProgram$")
	program.Dir = t.TempDir()
	program.Env = []string{
		"TERM=xterm-256color", "HOME=" + program.Dir, "PATH=" + os.Getenv("PATH"),
		programArgs + "=bench run --rate 20 --duration 10m --repeats 1 --no-save",
	}
	program.Stdin, program.Stdout, program.Stderr = slave, slave, slave
	program.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true}
	if err := program.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1) // sent once
	go func() { ended <- program.Wait() }()
	defer func() { _ = program.Process.Kill() }() // it has ended if the test is good

	await("client and quotas") // a box: there is room for them
	if modes(t, slave).Lflag&syscall.ECHO != 0 {
		t.Error("keys are echoed into the view")
	}
	resize(t, slave, 64, 40)
	await(" tokens/s, ") // the list for narrow terminals
	if _, err := master.WriteString("\x03"); err != nil {
		t.Fatal(err)
	}
	await("results are in ") // what was measured is kept
	var exit *exec.ExitError
	if err := <-ended; !errors.As(err, &exit) || exit.ExitCode() < 1 { // -1 is death by a signal
		t.Errorf("it ended with %v, want an error of its own", err)
	}
	if after := modes(t, slave); after != before {
		t.Errorf("the terminal was left as\n%+v, it was\n%+v", after, before)
	}
	slave.Close()
	for range chunks { // until the other end is closed
	}
}
