package live

import (
	"fmt"
	"io"
	"strings"
	"time"

	"sluice/internal/bench"
)

// printLines shows plain lines until Close. It is the goroutine of a view that is not drawn.
func (v *View) printLines() {
	p := plain{w: v.w, every: v.o.Every}
	tick := time.NewTicker(v.o.Every)
	defer tick.Stop()
	for {
		select {
		case <-v.inbox.wake:
			p.take(v.inbox, false)
		case <-tick.C:
			p.take(v.inbox, false)
		case <-v.stop:
			p.take(v.inbox, true)
			return
		}
	}
}

// plain prints progress as lines. It is used by one goroutine.
type plain struct {
	w     io.Writer
	every time.Duration

	last    time.Time      // of the last line of progress
	latest  bench.Progress // that was taken
	pending bool           // latest has not been printed
	printed stage          // of the last line
}

// stage is what begins a line of its own.
type stage struct {
	run, repeat, step int
	phase             string
	target            string
}

func stageOf(p *bench.Progress) stage {
	return stage{p.Run, p.Repeat, p.Step, p.Phase.String(), p.Cell.Target}
}

// take prints what is due. A terminal or a pipe that is gone is no reason to end a measurement: errors are not looked at.
func (p *plain) take(b *inbox, last bool) {
	latest, fresh, lines := b.take()
	for _, l := range lines {
		_, _ = fmt.Fprintln(p.w, l)
	}
	if fresh {
		p.latest, p.pending = latest, true
	}
	now := time.Now()
	due := last || stageOf(&p.latest) != p.printed || now.Sub(p.last) >= p.every
	if p.pending && due {
		_, _ = fmt.Fprintln(p.w, line(&p.latest))
		p.last, p.printed, p.pending = now, stageOf(&p.latest), false
	}
}

// line is a run's progress in one line.
func line(p *bench.Progress) string {
	var b strings.Builder
	if p.Runs > 0 {
		fmt.Fprintf(&b, "[%d/%d] ", p.Run+1, p.Runs)
	}
	b.WriteString(place(p))
	fmt.Fprintf(&b, " | %s %s", p.Phase, clock(p.Elapsed))
	if p.Total > 0 {
		fmt.Fprintf(&b, "/%s", clock(p.Total))
	}
	fmt.Fprintf(&b, " | sent %s", rate(p.Rate))
	if p.Target > 0 {
		fmt.Fprintf(&b, " of %s", rate(p.Target))
	}
	fmt.Fprintf(&b, "/s, answered %s/s, %s tokens/s, %s in flight", rate(p.TPS), rate(p.Tokens), count(p.InFlight))
	fmt.Fprintf(&b, " | TTFT %s/%s/%s, E2E %s/%s", millis(p.TTFT50), millis(p.TTFT95), millis(p.TTFT99), millis(p.E2E50), millis(p.E2E95))
	fmt.Fprintf(&b, " | ok %s, failed %s", count(p.OK), count(p.Failed))
	if kinds := errorKinds(p.Errors); len(kinds) > 0 {
		fmt.Fprintf(&b, " (%s)", strings.Join(kinds, ", "))
	}
	if p.RateLimited > 0 {
		fmt.Fprintf(&b, ", 429s %s", count(p.RateLimited))
	}
	fmt.Fprintf(&b, " | spent %s", spend(p))
	fmt.Fprintf(&b, " | lag p99 %s, CPU %.2f", millis(p.LagP99), p.CPU)
	if p.Saturated {
		b.WriteString(", CLIENT SATURATED")
	}
	return b.String()
}
