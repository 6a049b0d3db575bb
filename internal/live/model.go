package live

import (
	"time"

	tea "charm.land/bubbletea/v2"

	"sluice/internal/bench"
	"sluice/internal/workload"
)

// newProgram makes the program that draws, and its model. Signals stay with the command.
func newProgram(v *View, keys keyboard) (*tea.Program, *model) {
	m := &model{inbox: v.inbox, interrupt: v.o.Interrupt, screen: screen{name: printable(v.o.Name), slo: v.o.SLO, width: 80, height: 24}}
	return tea.NewProgram(m, tea.WithOutput(v.w), tea.WithInput(keys.file), tea.WithFPS(framesPerSecond), tea.WithoutSignalHandler()), m
}

// model is the view's state between frames. All of it is owned by the program's loop.
type model struct {
	inbox     *inbox
	interrupt func()

	screen screen
	drawn  string // screen as it was drawn last
	dirty  bool   // screen has changed since
	closed bool
	forced bool // Ctrl-C was pressed a second time: the view is gone before the command is told
}

type (
	frameMsg struct{} // time to look into the inbox
	closeMsg struct{} // sent by Close
)

func nextFrame() tea.Cmd {
	return tea.Tick(time.Second/framesPerSecond, func(time.Time) tea.Msg { return frameMsg{} })
}

// Init begins the rhythm of frames.
func (m *model) Init() tea.Cmd { return nextFrame() }

// Update takes a message.
func (m *model) Update(msg tea.Msg) (tea.Model, tea.Cmd) {
	switch msg := msg.(type) {
	case frameMsg:
		if m.closed {
			return m, nil
		}
		return m, tea.Batch(m.take(), nextFrame())
	case closeMsg:
		logged := m.take()
		m.closed, m.dirty = true, true
		return m, tea.Sequence(logged, tea.Quit)
	case tea.WindowSizeMsg:
		if msg.Width > 0 && msg.Height > 0 { // a terminal that does not know says 0
			m.screen.width, m.screen.height, m.dirty = msg.Width, msg.Height, true
		}
	case tea.KeyPressMsg:
		switch msg.String() {
		case "ctrl+c":
			m.screen.interrupts++
			m.dirty = true
			if m.screen.interrupts > 1 {
				// The command may end the process at once, and the terminal must not be left in raw mode.
				logged := m.take()
				m.closed, m.forced = true, true
				return m, tea.Sequence(logged, tea.Quit)
			}
			return m, func() tea.Msg { m.interrupt(); return nil }
		case "ctrl+z":
			return m, tea.Suspend
		case "ctrl+l":
			return m, tea.ClearScreen
		}
	}
	return m, nil
}

// take looks into the inbox and returns the command that shows its lines.
func (m *model) take() tea.Cmd {
	p, fresh, lines := m.inbox.take()
	if fresh {
		m.screen.add(p)
		m.dirty = true
	}
	if len(lines) == 0 {
		return nil
	}
	return tea.Println(joinLines(lines))
}

// View draws the screen, if it has changed. At the end it is empty: what stays are the lines above it.
func (m *model) View() tea.View {
	if m.dirty || m.drawn == "" {
		m.dirty, m.drawn = false, ""
		if !m.closed {
			m.drawn = m.screen.draw()
		}
	}
	v := tea.NewView(m.drawn)
	v.DisableBracketedPasteMode = true
	return v
}

// screen is what is drawn, and from what.
type screen struct {
	name          string
	slo           workload.SLO
	width, height int
	interrupts    int

	has    bool // p has come
	p      bench.Progress
	rates  history
	tokens history
	ttft   history
}

// add takes the next progress of the run, or the first of another.
func (s *screen) add(p bench.Progress) {
	if !s.has || p.Run != s.p.Run || p.Repeat != s.p.Repeat || p.Step != s.p.Step || p.Elapsed < s.p.Elapsed {
		s.rates, s.tokens, s.ttft = history{}, history{}, history{}
	}
	s.has, s.p = true, p
	s.rates.add(p.Elapsed, p.Rate)
	s.tokens.add(p.Elapsed, p.Tokens)
	s.ttft.add(p.Elapsed, p.TTFT95)
}

// maxHistory is how many seconds a sparkline can go back.
const maxHistory = 240

// history is a figure over the seconds of a run, the latest last.
type history struct {
	values []float64
	second int64 // of the last value
}

// add notes a value. Of several in one second the largest stays: a peak is what one looks for.
func (h *history) add(at time.Duration, v float64) {
	second := int64(at / time.Second)
	if len(h.values) > 0 && second <= h.second {
		last := &h.values[len(h.values)-1]
		*last = max(*last, v)
		return
	}
	for missed := min(second-h.second-1, maxHistory); len(h.values) > 0 && missed > 0; missed-- {
		h.values = append(h.values, 0) // nothing was heard in that second
	}
	h.values, h.second = append(h.values, v), second
	if over := len(h.values) - maxHistory; over > 0 {
		h.values = append(h.values[:0], h.values[over:]...)
	}
}
