package live

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"unicode"

	"sluice/internal/bench"
)

// maxLines bounds the lines that wait to be shown.
const maxLines = 1000

// inbox is where the engine leaves what the screen takes.
type inbox struct {
	wake chan struct{} // sent by put and log, one at most waits; received by the goroutine of the view; never closed

	mu      sync.Mutex // guards what follows
	latest  bench.Progress
	fresh   bool // latest has not been taken
	lines   []string
	dropped int // lines left out before lines[0]
}

func newInbox() *inbox { return &inbox{wake: make(chan struct{}, 1)} }

func (b *inbox) put(p bench.Progress) {
	p.Errors = maps.Clone(p.Errors)
	b.mu.Lock()
	b.latest, b.fresh = p, true
	b.mu.Unlock()
	b.notify()
}

func (b *inbox) log(line string) {
	lines := strings.Split(strings.TrimRight(line, "\n"), "\n")
	for i, l := range lines {
		lines[i] = printable(l)
	}
	b.mu.Lock()
	b.lines = append(b.lines, lines...)
	if over := len(b.lines) - maxLines; over > 0 {
		b.lines = slices.Delete(b.lines, 0, over)
		b.dropped += over
	}
	b.mu.Unlock()
	b.notify()
}

func (b *inbox) notify() {
	select {
	case b.wake <- struct{}{}:
	default: // the goroutine will look anyway
	}
}

// take returns what has come since the last time. fresh is false if no progress has.
func (b *inbox) take() (p bench.Progress, fresh bool, lines []string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	p, fresh, lines = b.latest, b.fresh, b.lines
	if b.dropped > 0 {
		lines = append([]string{fmt.Sprintf("(%d lines left out: they came faster than they could be shown)", b.dropped)}, lines...)
	}
	b.fresh, b.lines, b.dropped = false, nil, 0
	return p, fresh, lines
}

// printable replaces what could move the cursor or change the terminal: a provider's message is not ours.
func printable(s string) string {
	if strings.IndexFunc(s, unprintable) < 0 {
		return s
	}
	return strings.Map(func(r rune) rune {
		switch {
		case r == '\t':
			return ' '
		case unprintable(r):
			return '\uFFFD'
		}
		return r
	}, s)
}

// unprintable leaves format characters (joiners within words and emoji) alone, but for those that turn the direction of
// text.
func unprintable(r rune) bool {
	return unicode.IsControl(r) || r >= '\u202a' && r <= '\u202e' || r >= '\u2066' && r <= '\u2069'
}
