// Package live shows a measurement while it runs: as a view that redraws itself at the bottom of a terminal, as a plain line
// every few seconds where there is no terminal, or not at all. It reads what the load engine tells it and decides nothing.
//
// The engine must not wait for a screen. So Update and Log only leave something in an inbox; one goroutine, which Close waits
// for, takes it from there as fast as the screen allows. What is not drawn in time is replaced by what is newer.
package live

import (
	"io"
	"os"
	"sync"
	"time"

	tea "charm.land/bubbletea/v2"

	"sluice/internal/bench"
	"sluice/internal/workload"
)

const (
	// framesPerSecond bounds how often the view is drawn. The engine tells of itself about four times a second.
	framesPerSecond = 8
	// defaultEvery is the time between two plain lines.
	defaultEvery = 5 * time.Second
)

// Options say what is shown, and how.
type Options struct {
	Name  string       // of the workload or suite, for the first line
	SLO   workload.SLO // latencies over these limits are marked
	Plain bool         // plain lines on a terminal too
	Quiet bool         // nothing at all; goes before Plain

	// Every is the time between two plain lines; 0 means 5 seconds. A line also comes when a run or a phase begins.
	Every time.Duration
	// Env is asked for TERM and NO_COLOR; nil means os.LookupEnv.
	Env func(name string) (string, bool)
	// Interrupt is called when Ctrl-C is pressed in the view, which takes all keys: while the view goes on the first time, and
	// after it is gone the second time, so that the process may end there and then. nil sends SIGINT to this process, as the
	// terminal would: so that a command has one way to be interrupted.
	Interrupt func()
}

// View shows a running measurement. Its methods may be called from any goroutine.
type View struct {
	// Set once.
	w     io.Writer
	o     Options
	inbox *inbox
	prog  *tea.Program  // nil if not drawn on a terminal
	done  chan struct{} // closed by the goroutine of the view when it has ended; nil if there is none
	stop  chan struct{} // closed by Close

	once sync.Once
}

// New begins to show a measurement on w. On a terminal that can be drawn on it is a view that follows the terminal's width
// down to 60 columns, elsewhere (or with Plain, NO_COLOR or TERM=dumb) plain lines. in is where keys come from; if it is no
// terminal the controlling one is asked. Close must follow.
//
// While the view is drawn the terminal is in raw mode: nothing else may write to it, but by Log, and a program that ends
// without Close leaves it so.
func New(w io.Writer, in io.Reader, o Options) *View {
	if o.Env == nil {
		o.Env = os.LookupEnv
	}
	if o.Every <= 0 {
		o.Every = defaultEvery
	}
	if o.Interrupt == nil {
		o.Interrupt = interruptSelf
	}
	v := &View{w: w, o: o, inbox: newInbox(), stop: make(chan struct{})}
	if o.Quiet {
		return v
	}
	v.done = make(chan struct{})
	keys, drawn := terminal(w, in, o)
	if !drawn {
		go func() {
			defer close(v.done)
			v.printLines()
		}()
		return v
	}
	var m *model
	v.prog, m = newProgram(v, keys)
	go func() {
		defer close(v.done)
		defer keys.release()
		_, err := v.prog.Run()
		if m.forced {
			o.Interrupt()
		}
		if err != nil || m.forced {
			// The terminal is gone or does not do what it says, or the view is not wanted any more: lines are what is left.
			v.printLines()
		}
	}()
	return v
}

// Update tells how the run stands. It never waits, and keeps p's map of errors no longer than the call.
func (v *View) Update(p bench.Progress) {
	if v.done != nil {
		v.inbox.put(p)
	}
}

// Log shows a line that stays, above the view or between plain lines. It never waits: if lines come faster than the
// screen takes them, the oldest that were not shown are left out, and a line says how many. With Quiet it does nothing.
func (v *View) Log(line string) {
	if v.done != nil {
		v.inbox.log(line)
	}
}

// Close shows the lines that are left, takes the view away and leaves the terminal as it was. It may be called more than
// once, and waits each time until that is done.
func (v *View) Close() {
	if v.done == nil {
		return
	}
	v.once.Do(func() {
		close(v.stop)
		if v.prog != nil {
			v.prog.Send(closeMsg{}) // returns at once if the program has ended
		}
	})
	<-v.done
}

// interruptSelf does what the terminal does on Ctrl-C when it is not in raw mode.
func interruptSelf() {
	if p, err := os.FindProcess(os.Getpid()); err == nil {
		_ = p.Signal(os.Interrupt) // where it cannot be sent, the run goes on to its end
	}
}
