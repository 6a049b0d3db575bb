package live

import (
	"io"
	"os"
	"strings"

	tea "charm.land/bubbletea/v2"
	"github.com/charmbracelet/x/term"
)

// keyboard is where the view reads keys from.
type keyboard struct {
	file   *os.File
	opened bool // by us
}

func (k keyboard) release() {
	if k.opened {
		_ = k.file.Close() // nothing was written
	}
}

// terminal decides whether w can be drawn on, and finds the keyboard that belongs to it. A terminal without one is not
// drawn on: it answers questions of the drawing library, and those answers would end up in the shell.
func terminal(w io.Writer, in io.Reader, o Options) (keyboard, bool) {
	if o.Plain || !IsTerminal(w) || background() {
		return keyboard{}, false
	}
	if v, _ := o.Env("NO_COLOR"); v != "" {
		return keyboard{}, false
	}
	if v, ok := o.Env("TERM"); ok && (v == "" || v == "dumb") {
		return keyboard{}, false
	}
	if IsTerminal(in) {
		return keyboard{file: in.(*os.File)}, true
	}
	tty, out, err := tea.OpenTTY()
	if err != nil {
		return keyboard{}, false
	}
	if out != tty {
		_ = out.Close() // w is what is drawn on
	}
	return keyboard{file: tty, opened: true}, true
}

// IsTerminal reports whether a stream (an *os.File, or anything else) is a terminal.
func IsTerminal(stream any) bool {
	f, ok := stream.(*os.File)
	return ok && f != nil && term.IsTerminal(f.Fd())
}

// Width returns the columns of a stream that is a terminal, and 0 for any other.
func Width(stream any) int {
	if !IsTerminal(stream) {
		return 0
	}
	width, _, err := term.GetSize(stream.(*os.File).Fd())
	if err != nil {
		return 0
	}
	return width
}

// background reports whether this process is a background job of its terminal, where it can be known (on Linux). The kernel
// stops a background job that sets the terminal's mode, and a measurement must not hang because somebody wrote & after it.
func background() bool {
	stat, err := os.ReadFile("/proc/self/stat")
	return err == nil && inBackground(string(stat))
}

// inBackground reads the line of proc_pid_stat(5): after the name in parentheses, which may hold anything, come state, ppid,
// pgrp, session, tty_nr and tpgid, the terminal's foreground group (-1 without a terminal).
func inBackground(stat string) bool {
	fields := strings.Fields(stat[strings.LastIndexByte(stat, ')')+1:])
	return len(fields) > 5 && fields[5] != "-1" && fields[2] != fields[5]
}
