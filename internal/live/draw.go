package live

import (
	"cmp"
	"fmt"
	"runtime"
	"strings"
	"time"

	"sluice/internal/bench"
)

// Sizes at which the view changes its shape.
const (
	minWidth   = 60 // what is narrower is cut off
	boxWidth   = 96 // from here on figures stand in boxes, two beside each other
	maxWidth   = 180
	boxHeight  = 18
	listHeight = 14
)

// draw returns the view as styled text, no line of which is wider than the screen (or 60 columns). It has one of three shapes:
//
//	boxes   two columns of boxes, where there is room for them
//	list    one figure a line
//	brief   three lines, where even that does not fit
func (s *screen) draw() string {
	if !s.has {
		return faint("waiting for the first figures …  ") + s.hint()
	}
	width := min(s.width, maxWidth)
	var lines []string
	switch {
	case width >= boxWidth && s.height > boxHeight:
		lines = s.boxes(width)
	case s.height > listHeight:
		lines = s.list(max(width, minWidth))
	default:
		lines = s.brief(max(width, minWidth))
	}
	return joinLines(lines)
}

func joinLines(lines []string) string { return strings.Join(lines, "\n") }

// head are the lines on top of all shapes: what runs, and how far it is.
func (s *screen) head(width int) []string {
	p := &s.p
	name, of := cmp.Or(s.name, "measurement"), ""
	if p.Runs > 1 {
		of = fmt.Sprintf("run %d of %d", p.Run+1, p.Runs)
	}
	left, whole := "", 0.0
	if p.Total > 0 {
		runLeft := max(p.Total-p.Elapsed, 0)
		suiteLeft := runLeft + time.Duration(max(p.Runs-p.Run-1, 0))*p.Total
		left = "about " + clock(suiteLeft) + " left"
		whole = (float64(p.Run) + min(float64(p.Elapsed)/float64(p.Total), 1)) / float64(max(p.Runs, 1))
	}
	lines := []string{spread(bold(cut(name, width/2))+faint(sep(name, of))+of, faint(left), width)}
	if p.Runs > 1 && p.Total > 0 {
		lines = append(lines, bar(whole, width-6, accent)+right(percent(whole), 6))
	}
	lines = append(lines, cut(place(p), width))
	return append(lines, s.runLine(width))
}

// runLine shows how far the run is.
func (s *screen) runLine(width int) string {
	p := &s.p
	phase := pad(p.Phase.String(), 9)
	if p.Total <= 0 {
		return phaseStyle(phase) + " " + clock(p.Elapsed)
	}
	times := fmt.Sprintf("  %s of %s", clock(p.Elapsed), clock(p.Total))
	room := max(width-len(phase)-1-len(times), 4)
	return phaseStyle(phase) + " " + bar(float64(p.Elapsed)/float64(p.Total), room, phaseStyle) + times
}

// boxes is the shape for wide terminals.
func (s *screen) boxes(width int) []string {
	leftWidth := width / 2
	rightWidth := width - leftWidth
	lines := s.head(width)
	lines = append(lines, beside(box("load", s.load(leftWidth-4), leftWidth), box("latency", s.latency(rightWidth-4), rightWidth))...)
	lines = append(lines, beside(box("outcome", s.outcome(leftWidth-4), leftWidth), box("client and quotas", s.client(rightWidth-4), rightWidth))...)
	return append(lines, s.hint())
}

// load are the lines on what is sent and what comes back.
func (s *screen) load(width int) []string {
	p := &s.p
	offered := rate(p.Rate)
	sent := offered + " /s"
	if p.Target > 0 {
		sent = offered + " of " + rate(p.Target) + " /s"
	}
	const column = 18 // of the figures; what is left is for the sparkline
	room := max(width-label-column-1, 0)
	return []string{
		row("sent", pad(shortfall(p, sent), column)+" "+accent(spark(s.rates.values, 1.1*max(p.Target, 0), room))),
		row("answered", rate(p.TPS)+" /s"),
		row("tokens", pad(rate(p.Tokens)+" /s", column)+" "+accent(spark(s.tokens.values, 0, room))),
		row("in flight", count(p.InFlight)),
	}
}

// shortfall marks a rate that is well below what was asked for, once the run is past its ramp.
func shortfall(p *bench.Progress, text string) string {
	if p.Phase.String() == "sustain" && p.Target > 0 && p.Rate < 0.95*p.Target && p.Elapsed > 3*time.Second {
		return warn(text)
	}
	return text
}

// latency is a table of latencies over the last seconds.
func (s *screen) latency(width int) []string {
	p := &s.p
	const cell = 9
	room := max(width-6-3*cell-2, 0)
	title := "TTFT p95"
	if s.slo.TTFT > 0 {
		title += ", limit " + millis(float64(s.slo.TTFT)/float64(time.Millisecond))
	}
	if len(title) > room {
		title = cut("TTFT p95", room)
	}
	line := func(name string, limit time.Duration, values ...float64) string {
		out := faint(pad(name, 6))
		for _, v := range values {
			text := right(millis(v), cell)
			if limit > 0 && v > float64(limit)/float64(time.Millisecond) {
				text = bad(text)
			}
			out += text
		}
		return out
	}
	return []string{
		faint(pad("", 6) + right("p50", cell) + right("p95", cell) + right("p99", cell) + pad("", 2) + title),
		line("TTFT", s.slo.TTFT, p.TTFT50, p.TTFT95, p.TTFT99) + "  " + second(spark(s.ttft.values, 0, room)),
		line("E2E", s.slo.E2E, p.E2E50, p.E2E95),
		line("TPOT", s.slo.TPOT, p.TPOT50),
	}
}

// outcome are the lines on successes, failures and money.
func (s *screen) outcome(width int) []string {
	p := &s.p
	failed := count(p.Failed) + " failed"
	if p.Failed > 0 {
		failed = bad(failed)
	}
	money := spend(p)
	if p.Cap > 0 {
		money += "  " + gauge(p.Spent/p.Cap, width-label-len(money)-2)
	}
	limited := count(p.RateLimited)
	if p.RateLimited > 0 {
		limited = warn(limited)
	}
	return []string{
		row("requests", count(p.Sent)+" sent  "+good(count(p.OK)+" ok")+"  "+failed),
		row("errors", errorsIn(p, width-label)),
		row("429s", limited),
		row("spend", money),
	}
}

// errorsIn lists as many kinds of errors as fit.
func errorsIn(p *bench.Progress, width int) string {
	kinds := errorKinds(p.Errors)
	if len(kinds) == 0 {
		return "none"
	}
	for n := len(kinds); n > 0; n-- {
		text := strings.Join(kinds[:n], ", ")
		if n < len(kinds) {
			text += fmt.Sprintf(", +%d", len(kinds)-n)
		}
		if len(text) <= width {
			return bad(text)
		}
	}
	return bad(cut(kinds[0], width))
}

// client are the lines on quotas and on the measuring side.
func (s *screen) client(width int) []string {
	p := &s.p
	return []string{
		row("RPM used", used(p.RPMUsed, width-label)),
		row("TPM used", used(p.TPMUsed, width-label)),
		row("client", "lag p99 "+lag(p.LagP99)+"  CPU "+fmt.Sprintf("%.2f of %d", p.CPU, runtime.GOMAXPROCS(0))),
		row("verdict", verdict(p)),
	}
}

func used(share float64, width int) string {
	if share < 0 {
		return faint("unknown")
	}
	return gauge(share, width)
}

// lag writes how late the client sends; unlike other latencies it may be nothing.
func lag(ms float64) string {
	if ms <= 0 {
		return "0 ms"
	}
	return millis(ms)
}

func verdict(p *bench.Progress) string {
	if p.Saturated {
		return bad("saturated: this client is the limit")
	}
	return good("valid so far")
}

// list is the shape for narrow terminals.
func (s *screen) list(width int) []string {
	p := &s.p
	lines := s.head(width)
	load := s.load(width)
	lines = append(lines, load[0], row("answered", rate(p.TPS)+" /s, "+rate(p.Tokens)+" tokens/s, "+count(p.InFlight)+" in flight"))
	lines = append(lines, s.latency(width)...)
	outcome := s.outcome(width)
	lines = append(lines, outcome[0])
	if len(p.Errors) > 0 {
		lines = append(lines, row("errors", errorsIn(p, width-label)))
	}
	lines = append(lines, row("spend", spend(p)+faint("  RPM ")+percent(p.RPMUsed)+faint("  TPM ")+percent(p.TPMUsed)))
	return append(lines, s.client(width)[2], row("verdict", verdict(p)), s.hint())
}

// brief is the shape for terminals with next to no room.
func (s *screen) brief(width int) []string {
	p := &s.p
	head := place(p)
	if p.Runs > 1 {
		head = fmt.Sprintf("[%d/%d] ", p.Run+1, p.Runs) + head
	}
	figures := rate(p.TPS) + "/s  TTFT " + millis(p.TTFT50) + "/" + millis(p.TTFT95) + "  " + count(p.Failed) + " failed"
	return []string{cut(head, width), s.runLine(width), cut(figures, width)}
}

// hint is the last line.
func (s *screen) hint() string {
	switch s.interrupts {
	case 0:
		return faint("Ctrl-C ends in good order")
	default:
		return warn("ending: what was measured is kept; Ctrl-C again ends at once")
	}
}
