package store

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"sluice/internal/ledger"
)

// callColumns are the columns of calls, in the order of appendArgs, scanCall and the column arrays of PostgreSQL.
var callColumns = []string{
	"id", "time_us", "key_name", "op", "model", "target", "provider", "status", "code", "attempts",
	"input_tokens", "cached_tokens", "cache_write_tokens", "output_tokens", "reasoning_tokens", "estimated",
	"cost_nano_usd", "queue_us", "first_token_us", "total_us", "overhead_us", "tags", "rest",
}

const (
	maxText = 512
	maxTag  = 256
	maxTags = 64
)

// appendArgs adds the column values of r.
func appendArgs(args []any, r *ledger.Row) []any {
	var cost any
	if r.Priced {
		cost = r.CostNanoUSD
	}
	u := &r.Usage
	return append(args,
		clean(r.ID, maxText), r.Time.UnixMicro(), clean(r.Key, maxText), clean(r.Op, maxText), clean(r.Model, maxText),
		clean(r.Target, maxText), clean(r.Provider, maxText), int64(r.Status), clean(r.Code, maxText), int64(r.Attempts),
		u.Input, u.CachedInput, u.CacheWrite, u.Output, u.Reasoning, int64FromBool(u.Estimated),
		cost, r.Queue.Microseconds(), r.FirstToken.Microseconds(), r.Total.Microseconds(), r.Overhead.Microseconds(),
		tagsJSON(r.Tags), restJSON(r))
}

// scanCall reads one row of callColumns.
func scanCall(scan func(...any) error) (ledger.Row, error) {
	var r ledger.Row
	var timeUS, estimated, queue, first, total, overhead int64
	var cost *int64
	var tags, rest []byte
	u := &r.Usage
	err := scan(&r.ID, &timeUS, &r.Key, &r.Op, &r.Model, &r.Target, &r.Provider, &r.Status, &r.Code, &r.Attempts,
		&u.Input, &u.CachedInput, &u.CacheWrite, &u.Output, &u.Reasoning, &estimated,
		&cost, &queue, &first, &total, &overhead, &tags, &rest)
	if err != nil {
		return r, err
	}
	r.Time = time.UnixMicro(timeUS)
	u.Estimated = estimated != 0
	if cost != nil {
		r.CostNanoUSD, r.Priced = *cost, true
	}
	r.Queue, r.FirstToken = time.Duration(queue)*time.Microsecond, time.Duration(first)*time.Microsecond
	r.Total, r.Overhead = time.Duration(total)*time.Microsecond, time.Duration(overhead)*time.Microsecond
	if err := json.Unmarshal(tags, &r.Tags); err != nil {
		return r, fmt.Errorf("read tags of call %s: %w", r.ID, err)
	}
	if len(r.Tags) == 0 {
		r.Tags = nil
	}
	if err := readRest(rest, &r); err != nil {
		return r, fmt.Errorf("read rest of call %s: %w", r.ID, err)
	}
	return r, nil
}

// rest is what restJSON writes.
type rest struct {
	User      string `json:"user"`
	Front     string `json:"front"`
	Region    string `json:"region"`
	Class     string `json:"class"`
	Stream    bool   `json:"stream"`
	Cause     string `json:"cause"`
	PriceAsOf string `json:"price_as_of"`
	BytesIn   int64  `json:"bytes_in"`
	BytesOut  int64  `json:"bytes_out"`
	Snapshot  string `json:"snapshot"`
	TraceID   string `json:"trace_id"`
}

// readRest is the reverse of restJSON.
func readRest(b []byte, r *ledger.Row) error {
	var v rest
	if err := json.Unmarshal(b, &v); err != nil {
		return err
	}
	r.User, r.Front, r.Region, r.Class, r.Stream, r.Cause = v.User, v.Front, v.Region, v.Class, v.Stream, v.Cause
	r.PriceAsOf, r.BytesIn, r.BytesOut, r.Snapshot, r.TraceID = v.PriceAsOf, v.BytesIn, v.BytesOut, v.Snapshot, v.TraceID
	return nil
}

// restJSON writes the fields that have no column of their own, leaving out empty ones. It is written by hand since it
// runs for every call, on the CPU that forwards them: a third of encoding/json's time.
func restJSON(r *ledger.Row) string {
	b := make([]byte, 0, 256)
	text := func(name, v string) {
		if v != "" {
			b = append(append(b, name...), ':')
			b = append(appendString(b, clean(v, maxText)), ',')
		}
	}
	number := func(name string, v int64) {
		if v != 0 {
			b = append(append(b, name...), ':')
			b = append(strconv.AppendInt(b, v, 10), ',')
		}
	}
	b = append(b, '{')
	text(`"user"`, r.User)
	text(`"front"`, r.Front)
	text(`"region"`, r.Region)
	text(`"class"`, r.Class)
	if r.Stream {
		b = append(b, `"stream":true,`...)
	}
	text(`"cause"`, r.Cause)
	text(`"price_as_of"`, r.PriceAsOf)
	number(`"bytes_in"`, r.BytesIn)
	number(`"bytes_out"`, r.BytesOut)
	text(`"snapshot"`, r.Snapshot)
	text(`"trace_id"`, r.TraceID)
	if b[len(b)-1] == ',' {
		b = b[:len(b)-1]
	}
	return string(append(b, '}'))
}

// tagsJSON writes tags as a JSON array.
func tagsJSON(tags []string) string {
	if len(tags) == 0 {
		return "[]"
	}
	b := append(make([]byte, 0, 128), '[')
	for _, t := range tags[:min(len(tags), maxTags)] {
		b = append(appendString(b, clean(t, maxTag)), ',')
	}
	b[len(b)-1] = ']'
	return string(b)
}

// appendString adds s, which is valid UTF-8, as a JSON string.
func appendString(b []byte, s string) []byte {
	b = append(b, '"')
	for i := range len(s) {
		switch c := s[i]; {
		case c == '"' || c == '\\':
			b = append(b, '\\', c)
		case c < ' ':
			const hex = "0123456789abcdef"
			b = append(b, '\\', 'u', '0', '0', hex[c>>4], hex[c&15])
		default:
			b = append(b, c)
		}
	}
	return append(b, '"')
}

// clean makes s fit for both databases: at most limit bytes, valid UTF-8, no NUL (PostgreSQL refuses it). A text that a
// client chose must not be able to stop the ledger.
func clean(s string, limit int) string {
	plain := len(s) <= limit
	for i := 0; plain && i < len(s); i++ {
		plain = s[i] != 0 && s[i] < utf8.RuneSelf
	}
	if plain {
		return s
	}
	s = strings.ToValidUTF8(s[:min(len(s), 2*limit)], "\uFFFD") // cut first: s may be as long as a request
	s = strings.ReplaceAll(s, "\x00", "\uFFFD")
	if len(s) <= limit {
		return s
	}
	cut := limit
	for !utf8.RuneStart(s[cut]) {
		cut--
	}
	return s[:cut]
}

func int64FromBool(b bool) int64 {
	if b {
		return 1
	}
	return 0
}
