package model

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"slices"
	"strings"
	"time"
)

// row is one model in a price file.
type row struct {
	Model         string       `json:"model"`
	Provider      string       `json:"provider"`
	Kind          string       `json:"kind"`
	ContextWindow *int64       `json:"context_window"`
	MaxOutput     *int64       `json:"max_output_tokens"`
	BatchDiscount *float64     `json:"batch_discount"`
	BatchNote     string       `json:"batch_note"`
	LongContext   []longPrices `json:"long_context_tiers"`
	Scheduled     *announced   `json:"scheduled_change"`
	Source        string       `json:"price_source"`
	AsOf          string       `json:"as_of"`
	Notes         string       `json:"notes"`
	prices
}

// prices are in USD per million tokens; null is unknown.
type prices struct {
	Input          *float64 `json:"input_per_mtok"`
	Output         *float64 `json:"output_per_mtok"`
	CachedInput    *float64 `json:"cached_input_per_mtok"`
	CacheWrite     *float64 `json:"cache_write_per_mtok"`
	CacheWriteLong *float64 `json:"cache_write_long_ttl_per_mtok"`
}

type longPrices struct {
	Above int64 `json:"above_input_tokens"`
	prices
}

type announced struct {
	From string `json:"from"`
	prices
}

// dearest is the highest price per million tokens that is taken for one and not for a slip, in USD.
const dearest = 1e6

// price checks and converts.
func (p *prices) price() (Price, error) {
	var out Price
	for _, x := range []struct {
		key  string
		from *float64
		to   *int64
	}{
		{"input_per_mtok", p.Input, &out.Input},
		{"output_per_mtok", p.Output, &out.Output},
		{"cached_input_per_mtok", p.CachedInput, &out.CachedInput},
		{"cache_write_per_mtok", p.CacheWrite, &out.CacheWrite},
		{"cache_write_long_ttl_per_mtok", p.CacheWriteLong, &out.CacheWriteLong},
	} {
		*x.to = -1
		if x.from == nil {
			continue
		}
		if *x.from < 0 || *x.from > dearest {
			return out, fmt.Errorf("%s is %v, want 0 to %v USD", x.key, *x.from, dearest)
		}
		*x.to = int64(math.Round(*x.from * 1e6))
	}
	return out, nil
}

// info checks a row and converts it.
func (r *row) info() (*Info, error) {
	if r.Model == "" || r.Provider == "" {
		return nil, errors.New("model and provider must be given")
	}
	if r.Input == nil {
		return nil, errors.New("input_per_mtok must be given")
	}
	if r.Kind != "" && r.Kind != "chat" && r.Kind != "embedding" {
		return nil, fmt.Errorf("kind is %q, want chat or embedding", r.Kind)
	}
	i := &Info{
		Provider: r.Provider, Model: r.Model, Kind: r.Kind, AsOf: r.AsOf, Source: r.Source, Note: r.Notes, batch: -1,
	}
	var err error
	if i.price, err = r.price(); err != nil {
		return nil, err
	}
	if r.Output == nil && r.Kind == "embedding" {
		i.price.Output = 0
	}
	if i.price.Output < 0 {
		return nil, errors.New("output_per_mtok must be given")
	}
	if i.ContextWindow, err = count("context_window", r.ContextWindow); err != nil {
		return nil, err
	}
	if i.MaxOutput, err = count("max_output_tokens", r.MaxOutput); err != nil {
		return nil, err
	}
	if d := r.BatchDiscount; d != nil {
		if *d < 0 || *d > 1 {
			return nil, fmt.Errorf("batch_discount is %v, want a fraction", *d)
		}
		i.batch = *d
	}
	return i, r.bands(i)
}

// bands adds the prices that hold for some calls only.
func (r *row) bands(i *Info) error {
	for _, l := range r.LongContext {
		p, err := l.price()
		if err == nil && (l.Above <= 0 || p.Input < 0 || p.Output < 0) {
			err = errors.New("above_input_tokens, input_per_mtok and output_per_mtok must be given")
		}
		if err != nil {
			return fmt.Errorf("long_context_tiers: %w", err)
		}
		i.steps = append(i.steps, step{l.Above, p})
	}
	slices.SortFunc(i.steps, func(a, b step) int { return cmp.Compare(a.above, b.above) })
	if c := r.Scheduled; c != nil {
		from, err := time.Parse(time.DateOnly, c.From)
		if err != nil {
			return fmt.Errorf("scheduled_change: read from: %w", err)
		}
		p, err := c.price()
		if err != nil {
			return fmt.Errorf("scheduled_change: %w", err)
		}
		i.next = &change{from, Price{
			Input: known(p.Input, i.price.Input), Output: known(p.Output, i.price.Output),
			CachedInput: known(p.CachedInput, i.price.CachedInput), CacheWrite: known(p.CacheWrite, i.price.CacheWrite),
			CacheWriteLong: known(p.CacheWriteLong, i.price.CacheWriteLong),
		}}
	}
	return nil
}

func known(a, b int64) int64 {
	if a >= 0 {
		return a
	}
	return b
}

func count(key string, n *int64) (int64, error) {
	if n == nil {
		return 0, nil
	}
	if *n < 0 {
		return 0, fmt.Errorf("%s is %d, want no negative number", key, *n)
	}
	return *n, nil
}

// file is the shape of a price file. What is about its making is not read.
type file struct {
	Models    json.RawMessage `json:"models"`
	Generated string          `json:"generated"`
	Currency  string          `json:"currency"`
	Unit      string          `json:"unit"`
	Fields    json.RawMessage `json:"fields"`
	Sources   json.RawMessage `json:"sources"`
	Caveats   json.RawMessage `json:"caveats"`
}

const perMillion = "USD per 1,000,000 tokens"

// positionError is an error with its place in the text.
type positionError struct {
	offset int64
	err    error
}

func (e *positionError) Error() string { return e.err.Error() }
func (e *positionError) Unwrap() error { return e.err }

// parse reads a price file strictly: an object with models, or just the list.
func parse(text []byte) ([]*Info, error) {
	list, base, err := modelList(text)
	if err != nil {
		return nil, err
	}
	d := json.NewDecoder(bytes.NewReader(list))
	d.DisallowUnknownFields()
	if t, err := d.Token(); err != nil || t != json.Delim('[') {
		return nil, &positionError{base, errors.New("models must be a list")}
	}
	var all []*Info
	for d.More() {
		at := base + d.InputOffset()
		at += int64(len(list[at-base:]) - len(bytes.TrimLeft(list[at-base:], ", \t\r\n")))
		var r row
		if err := d.Decode(&r); err != nil {
			return nil, &positionError{place(err, at, base, base+d.InputOffset()), plain(err)}
		}
		i, err := r.info()
		if err != nil {
			return nil, &positionError{at, err}
		}
		all = append(all, i)
	}
	return all, nil
}

// modelList returns the list of models in a file and where it begins.
func modelList(text []byte) (list []byte, base int64, err error) {
	trimmed := bytes.TrimLeft(text, " \t\r\n")
	base = int64(len(text) - len(trimmed))
	if len(trimmed) > 0 && trimmed[0] == '[' {
		if err := json.Unmarshal(trimmed, new([]json.RawMessage)); err != nil {
			return nil, 0, &positionError{place(err, base, base, base), plain(err)}
		}
		return trimmed, base, nil
	}
	var f file
	d := json.NewDecoder(bytes.NewReader(text))
	d.DisallowUnknownFields()
	if err := d.Decode(&f); err != nil {
		return nil, 0, &positionError{place(err, 0, 0, d.InputOffset()), plain(err)}
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return nil, 0, &positionError{d.InputOffset(), errors.New("text after the end")}
	}
	if f.Unit != "" && f.Unit != perMillion || f.Currency != "" && f.Currency != "USD" {
		return nil, 0, &positionError{0, fmt.Errorf("prices are in %s %q, want %q", f.Currency, f.Unit, perMillion)}
	}
	if f.Models == nil {
		return nil, 0, &positionError{0, errors.New("models is missing")}
	}
	return f.Models, int64(bytes.Index(text, f.Models)), nil
}

// place returns where in the file an error of the JSON decoder is: it says so for some, from base on; others belong to
// what begins at start; a text that ends too early does so at end.
func place(err error, start, base, end int64) int64 {
	if e, ok := errors.AsType[*json.SyntaxError](err); ok {
		return base + max(e.Offset-1, 0)
	}
	if e, ok := errors.AsType[*json.UnmarshalTypeError](err); ok {
		return start + max(e.Offset-1, 0)
	}
	if errors.Is(err, io.ErrUnexpectedEOF) {
		return end
	}
	return start
}

// plain words the decoder's errors for the people who write price files.
func plain(err error) error {
	if e, ok := errors.AsType[*json.UnmarshalTypeError](err); ok {
		return fmt.Errorf("%s cannot be a %s", e.Field, e.Value)
	}
	return errors.New(strings.TrimPrefix(err.Error(), "json: "))
}

// readOverrides reads an override file.
func readOverrides(path string) ([]*Info, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("read prices: %w", err)
	}
	rows, err := parse(text)
	if err == nil {
		for _, i := range rows {
			if i.Source == "" {
				i.Source = "override"
			}
		}
		return rows, nil
	}
	var at int64
	if p, ok := errors.AsType[*positionError](err); ok {
		at = min(p.offset, int64(len(text)))
	}
	line := bytes.Count(text[:at], []byte("\n")) + 1
	column := at - int64(bytes.LastIndexByte(text[:at], '\n'))
	return nil, fmt.Errorf("read prices: %s:%d:%d: %w", path, line, column, err)
}
