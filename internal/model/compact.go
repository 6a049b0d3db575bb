package model

import (
	_ "embed"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// compact is prices.json in a form that is read in a fraction of the time, since every start pays for it: one model a
// line, fields separated by tabs. TestCompactIsCurrent compares the two and, with -update, writes this one.
//
//go:embed prices.tsv
var compact string

// The fields of a line. Prices are four numbers in micro-USD per million tokens (input, output, cached input, cache
// write), separated by commas, empty if unknown. Steps are size:prices, separated by semicolons; a change is day:prices.
const (
	colProvider = iota
	colModel
	colKind
	colContext
	colMaxOutput
	colBatch
	colPrices
	colSteps
	colChange
	colNote
	colAsOf
	colSource
	columns
)

// parseCompact reads the compact table. The infos share memory with it.
func parseCompact(text string) ([]*Info, error) {
	infos := make([]Info, strings.Count(text, "\n")+1)
	all := make([]*Info, 0, len(infos))
	for line := range strings.Lines(text) {
		i := &infos[len(all)]
		if err := i.parse(strings.TrimSuffix(line, "\n")); err != nil {
			return nil, fmt.Errorf("read line %d: %w", len(all)+1, err)
		}
		all = append(all, i)
	}
	return all, nil
}

func (i *Info) parse(line string) (err error) {
	var f [columns]string
	for n := range f {
		var more bool
		f[n], line, more = strings.Cut(line, "\t")
		if more != (n < columns-1) {
			return fmt.Errorf("it has not %d fields", columns)
		}
	}
	i.Provider, i.Model, i.Kind = f[colProvider], f[colModel], f[colKind]
	i.AsOf, i.Source, i.Note = f[colAsOf], f[colSource], f[colNote]
	if i.ContextWindow, err = strconv.ParseInt(f[colContext], 10, 64); err != nil {
		return err
	}
	if i.MaxOutput, err = strconv.ParseInt(f[colMaxOutput], 10, 64); err != nil {
		return err
	}
	if i.batch, err = strconv.ParseFloat(f[colBatch], 64); err != nil {
		return err
	}
	if i.price, err = parsePrice(f[colPrices]); err != nil {
		return err
	}
	for steps := f[colSteps]; steps != ""; {
		var one string
		one, steps, _ = strings.Cut(steps, ";")
		above, prices, _ := strings.Cut(one, ":")
		var s step
		if s.above, err = strconv.ParseInt(above, 10, 64); err != nil {
			return err
		}
		if s.price, err = parsePrice(prices); err != nil {
			return err
		}
		i.steps = append(i.steps, s)
	}
	if f[colChange] == "" {
		return nil
	}
	from, prices, _ := strings.Cut(f[colChange], ":")
	c := change{}
	if c.from, err = time.Parse(time.DateOnly, from); err != nil {
		return err
	}
	c.price, err = parsePrice(prices)
	i.next = &c
	return err
}

func parsePrice(s string) (p Price, err error) {
	for _, to := range []*int64{&p.Input, &p.Output, &p.CachedInput, &p.CacheWrite, &p.CacheWriteLong} {
		var one string
		one, s, _ = strings.Cut(s, ",")
		*to = -1
		if one == "" {
			continue
		}
		if *to, err = strconv.ParseInt(one, 10, 64); err != nil {
			return p, err
		}
	}
	return p, nil
}
