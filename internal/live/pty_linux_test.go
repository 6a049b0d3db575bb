package live

import (
	"fmt"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"
	"unsafe"
)

func ioctl(t *testing.T, f *os.File, request uintptr, arg unsafe.Pointer) {
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

// openPTY returns the two ends of a terminal of 100 columns and 30 rows.
func openPTY(t *testing.T) (master, slave *os.File) {
	t.Helper()
	master, err := os.OpenFile("/dev/ptmx", os.O_RDWR|syscall.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	var unlock, number int32
	ioctl(t, master, syscall.TIOCSPTLCK, unsafe.Pointer(&unlock))
	ioctl(t, master, syscall.TIOCGPTN, unsafe.Pointer(&number))
	slave, err = os.OpenFile(fmt.Sprint("/dev/pts/", number), os.O_RDWR|syscall.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	setSize(t, slave, 100, 30)
	return master, slave
}

func setSize(t *testing.T, f *os.File, columns, rows uint16) {
	t.Helper()
	size := [4]uint16{rows, columns}
	ioctl(t, f, syscall.TIOCSWINSZ, unsafe.Pointer(&size))
}

func settings(t *testing.T, f *os.File) syscall.Termios {
	t.Helper()
	var s syscall.Termios
	ioctl(t, f, syscall.TCGETS, unsafe.Pointer(&s))
	return s
}

// screenOf collects what arrives at a terminal.
type screenOf struct {
	chunks chan string // sent by the goroutine of watch, which closes it
	text   strings.Builder
}

func watch(master *os.File) *screenOf {
	s := &screenOf{chunks: make(chan string, 1000)}
	go func() {
		defer close(s.chunks)
		buf := make([]byte, 64<<10)
		for {
			n, err := master.Read(buf)
			if n > 0 {
				s.chunks <- string(buf[:n])
			}
			if err != nil {
				return // the other end is closed
			}
		}
	}()
	return s
}

// await reads until a text has arrived, and returns all that came before and with it.
func (s *screenOf) await(t *testing.T, want string) string {
	t.Helper()
	deadline := time.After(20 * time.Second)
	for !strings.Contains(s.text.String(), want) {
		select {
		case c, ok := <-s.chunks:
			if !ok {
				t.Fatalf("the terminal was closed before %q:\n%q", want, s.text.String())
			}
			s.text.WriteString(c)
		case <-deadline:
			t.Fatalf("no %q:\n%q", want, s.text.String())
		}
	}
	all := s.text.String()
	s.text.Reset()
	return all
}

func TestTerminal(t *testing.T) {
	t.Setenv("TERM", "xterm-256color")
	t.Setenv("NO_COLOR", "")
	master, slave := openPTY(t)
	defer master.Close()
	before := settings(t, slave)
	screen := watch(master)
	pressed := make(chan struct{}, 10)
	v := New(slave, slave, Options{Name: "chatbot-support", Interrupt: func() { pressed <- struct{}{} }})
	if v.prog == nil {
		t.Fatal("a terminal is not drawn on")
	}
	screen.await(t, "waiting for the first figures")
	if settings(t, slave).Lflag&syscall.ECHO != 0 {
		t.Error("keys are echoed into the view")
	}
	v.Update(sample())
	screen.await(t, "openai/gpt-4o-mini")
	v.Log("request 17 was refused")
	screen.await(t, "request 17 was refused")
	press := func() {
		t.Helper()
		if _, err := master.WriteString("\x03"); err != nil {
			t.Fatal(err)
		}
		<-pressed
	}
	press()
	screen.await(t, "ending: what was measured is kept; Ctrl-C again ends at once")
	v.Log("the last line")
	press() // the terminal is as it was before anybody is told
	if after := settings(t, slave); after != before {
		t.Errorf("the terminal was left as\n%+v, it was\n%+v", after, before)
	}
	rest := screen.await(t, "\x1b[?25h") // the cursor is shown
	if !strings.Contains(rest, "the last line") {
		t.Errorf("the last line is lost: %q", rest)
	}
	v.Log("a line after the view")
	screen.await(t, "a line after the view")
	v.Close()
	slave.Close()
	for range screen.chunks { // until the other end is closed
	}
}

// TestPlainOnTerminal holds the ways of not being drawn on.
func TestPlainOnTerminal(t *testing.T) {
	master, slave := openPTY(t)
	defer master.Close()
	defer slave.Close()
	f := func(name string, o Options, env map[string]string) {
		t.Helper()
		o.Env = func(k string) (string, bool) { v, ok := env[k]; return v, ok }
		if keys, drawn := terminal(slave, slave, o); drawn {
			keys.release()
			t.Errorf("%s: it is drawn on", name)
		}
	}
	f("plain", Options{Plain: true}, nil)
	f("no color", Options{}, map[string]string{"NO_COLOR": "1"})
	f("dumb", Options{}, map[string]string{"TERM": "dumb"})
	f("no terminal type", Options{}, map[string]string{"TERM": ""})
	if _, drawn := terminal(slave, slave, Options{Env: func(string) (string, bool) { return "", false }}); !drawn {
		t.Error("nothing is against it: it is not drawn on")
	}
}

func TestCloseTakesTheViewAway(t *testing.T) {
	t.Setenv("TERM", "xterm-256color")
	t.Setenv("NO_COLOR", "")
	master, slave := openPTY(t)
	defer master.Close()
	before := settings(t, slave)
	screen := watch(master)
	v := New(slave, slave, Options{Interrupt: func() { t.Error("nobody pressed a key") }})
	v.Update(sample())
	screen.await(t, "openai/gpt-4o-mini")
	setSize(t, slave, 60, 30)
	v.Log("the last line")
	v.Close()
	v.Close()
	if after := settings(t, slave); after != before {
		t.Errorf("the terminal was left as\n%+v, it was\n%+v", after, before)
	}
	if rest := screen.await(t, "\x1b[?25h"); !strings.Contains(rest, "the last line") {
		t.Errorf("the last line is lost: %q", rest)
	}
	slave.Close()
	for range screen.chunks { // until the other end is closed
	}
}
