package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"sluice/internal/live"
	"sluice/internal/model"
	"sluice/internal/tally"
)

// maxFailed bounds the lines that are named one by one; further ones are counted.
const maxFailed = 20

// lineTotal is what the lines of a file add up to for one model.
type lineTotal struct {
	name    string
	info    *model.Info
	count   tally.Count
	quote   tally.Quote
	largest int64 // tokens, in and out, of the largest request
}

// lineResult is one line for each model that it is counted for.
type lineResult struct {
	kind  string
	names []string
	count []tally.Count
	quote []tally.Quote
	err   error // no model is known for it
}

// lines counts a file of one request a line.
func (f *tokensFlags) lines(cmd *cobra.Command, in io.Reader) error {
	if len(f.models) > 0 {
		// Patterns are spelled out once.
		names, _, err := f.resolve("", tally.Chat)
		if err != nil {
			return err
		}
		f.models = names
	}
	out := bufio.NewWriter(cmd.OutOrStdout())
	s := &lineSum{f: f, out: out, problems: cmd.ErrOrStderr(), totals: map[string]*lineTotal{}, shown: time.Now()}
	s.progress = live.IsTerminal(s.problems)
	counted := &countingReader{r: in}
	ctx := cmd.Context()
	err := tally.Lines(ctx, counted, func(p *tally.Prompt) lineResult { return f.line(ctx, p) }, func(l tally.Line[lineResult]) error { return s.add(l, counted.n) })
	if err != nil {
		return interrupted(ctx, err)
	}
	r := s.report(counted.n)
	switch {
	case f.asJSON:
		err = writeLine(out, r, !f.each)
	case len(r.Models) > 0:
		if f.each {
			fmt.Fprintln(out)
		}
		err = r.print(out)
	}
	if err == nil {
		err = out.Flush()
	}
	if err == nil && s.failed > 0 {
		err = fmt.Errorf("tokens: %d of %s cannot be read as requests", s.failed, count(int(s.requests+s.failed), "line"))
	}
	if err == nil && s.requests == 0 {
		err = fmt.Errorf("tokens: the file has no requests")
	}
	return err
}

// line counts and prices one request. It is called from several goroutines.
func (f *tokensFlags) line(ctx context.Context, p *tally.Prompt) lineResult {
	r := lineResult{kind: p.Kind, names: f.models}
	if len(r.names) == 0 {
		if p.Model == "" {
			r.err = fmt.Errorf("the request names no model: give --model")
			return r
		}
		r.names = []string{p.Model}
	}
	if r.count, r.err = tally.CountPrompt(ctx, f.counter, p, r.names...); r.err != nil {
		return r // Lines ends with the same error
	}
	for i, name := range r.names {
		info := findModel(f.table, name)
		if err := f.terms.Check(info); err != nil {
			r.err = fmt.Errorf("--output max: %s: %w", name, err)
			return r
		}
		r.quote = append(r.quote, tally.NewQuote(info, &r.count[i], p, f.terms))
	}
	return r
}

// lineSum adds up lines. It is used by one goroutine.
type lineSum struct {
	f        *tokensFlags
	out      io.Writer
	problems io.Writer
	progress bool
	shown    time.Time

	order            []string // of totals, as models first came
	totals           map[string]*lineTotal
	last             int64 // line
	requests, failed int64
	named            []failedLine
}

// eachLine is what --each --json prints for a line.
type eachLine struct {
	Line   int64         `json:"line"`
	Error  string        `json:"error,omitempty"`
	Models []tokensModel `json:"models,omitempty"`
}

func (s *lineSum) add(l tally.Line[lineResult], read int64) error {
	s.last = l.Number
	if s.progress && time.Since(s.shown) > time.Second {
		s.shown = time.Now()
		fmt.Fprintf(s.problems, "\r%d lines, %d MB ", l.Number, read>>20)
	}
	err := l.Err
	if err == nil {
		err = l.Result.err
	}
	if err != nil {
		return s.fail(l.Number, err)
	}
	s.requests++
	each := eachLine{Line: l.Number}
	for i, name := range l.Result.names {
		c, q := &l.Result.count[i], &l.Result.quote[i]
		t := s.totals[name]
		if t == nil {
			t = &lineTotal{name: name, info: findModel(s.f.table, name)}
			s.totals[name] = t
			s.order = append(s.order, name)
		}
		t.count.Add(*c)
		t.quote.Add(*q)
		t.largest = max(t.largest, c.Tokens+q.OutputTokens)
		if s.f.each {
			each.Models = append(each.Models, s.f.entry(name, t.info, l.Result.kind, c, q, c.Tokens+q.OutputTokens))
		}
	}
	if !s.f.each {
		return nil
	}
	return s.print(&each)
}

// fail names a line that is no request.
func (s *lineSum) fail(line int64, err error) error {
	s.failed++
	if len(s.named) < maxFailed {
		s.named = append(s.named, failedLine{line, plain(err.Error())})
		fmt.Fprintf(s.problems, "line %d: %s\n", line, plain(err.Error()))
	} else if s.failed == maxFailed+1 {
		fmt.Fprintln(s.problems, "further lines that cannot be read are counted only")
	}
	if s.f.each && s.f.asJSON {
		return writeLine(s.out, eachLine{Line: line, Error: err.Error()}, false)
	}
	return nil
}

// print tells of one line.
func (s *lineSum) print(l *eachLine) error {
	if s.f.asJSON {
		return writeLine(s.out, l, false)
	}
	for i := range l.Models {
		m := &l.Models[i]
		price := "unpriced"
		if m.Priced {
			price = "$" + m.TotalUSD
		}
		exact := "estimate"
		if m.Exact {
			exact = "exact"
		}
		if _, err := fmt.Fprintf(s.out, "line %-8d %-36s %10d tokens, %-8s %10d output  %s\n", l.Line, plain(m.title()), m.Tokens, exact, m.OutputTokens, price); err != nil {
			return err
		}
	}
	return nil
}

func (s *lineSum) report(read int64) *tokensReport {
	if s.progress {
		fmt.Fprint(s.problems, "\r\x1b[K")
	}
	r := &tokensReport{
		Input:  tokensInput{Kind: "lines", Bytes: read, Requests: s.requests, Lines: s.last, Failed: s.failed},
		Models: []tokensModel{}, Failed: s.named,
	}
	for _, name := range s.order {
		t := s.totals[name]
		r.Models = append(r.Models, s.f.entry(t.name, t.info, "lines", &t.count, &t.quote, t.largest))
	}
	return r
}

// writeLine writes a value as JSON, in one line unless it is to be read by people.
func writeLine(w io.Writer, v any, indent bool) error {
	if indent {
		return writeJSON(w, v)
	}
	return json.NewEncoder(w).Encode(v)
}

// countingReader counts what is read.
type countingReader struct {
	r io.Reader
	n int64
}

func (c *countingReader) Read(p []byte) (int, error) {
	n, err := c.r.Read(p)
	c.n += int64(n)
	return n, err
}
