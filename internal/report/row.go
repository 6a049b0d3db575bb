package report

import (
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"sluice/internal/workload"
)

// rowColumn is one column of a record file. Its name carries the unit.
type rowColumn struct {
	name   string
	append func(dst []byte, c *Cell, r *Record) []byte
	parse  func(r *Record, s string) error // nil if it is for readers of the file only
}

// columns are those of a record file, in order. What did not happen, or is not known, is an empty field and never 0.
func rowColumns() []rowColumn {
	return []rowColumn{
		aboutColumn("target", func(c *Cell) string { return c.Target }),
		aboutColumn("region", func(c *Cell) string { return c.Region }),
		textColumn("run_id", func(r *Record) *string { return &r.Run }),
		integerColumn("repeat", func(r *Record) *int { return &r.Repeat }),
		integerColumn("step", func(r *Record) *int { return &r.Step }),
		countColumn("index", func(r *Record) *int64 { return &r.Index }, always),
		{"phase", func(dst []byte, _ *Cell, r *Record) []byte { return append(dst, r.Phase.String()...) }, parsePhase},
		textColumn("kind", func(r *Record) *string { return &r.Kind }),
		flagColumn("stream", func(r *Record) *bool { return &r.Stream }),
		optionalColumn("group", func(r *Record) *int64 { return &r.Group }),
		integerColumn("turn", func(r *Record) *int { return &r.Turn }),

		instantColumn("scheduled_ms", func(r *Record) *time.Duration { return &r.Scheduled }),
		instantColumn("dispatched_ms", func(r *Record) *time.Duration { return &r.Dispatched }),
		instantColumn("written_ms", func(r *Record) *time.Duration { return &r.Written }),
		instantColumn("first_byte_ms", func(r *Record) *time.Duration { return &r.FirstByte }),
		instantColumn("first_event_ms", func(r *Record) *time.Duration { return &r.FirstEvent }),
		instantColumn("first_token_ms", func(r *Record) *time.Duration { return &r.FirstToken }),
		instantColumn("first_text_ms", func(r *Record) *time.Duration { return &r.FirstText }),
		instantColumn("last_token_ms", func(r *Record) *time.Duration { return &r.LastToken }),
		instantColumn("done_ms", func(r *Record) *time.Duration { return &r.Done }),
		latencyColumn("ttft_ms", (*Record).TTFT),
		latencyColumn("tpot_ms", (*Record).TPOT),
		latencyColumn("e2e_ms", (*Record).E2E),
		latencyColumn("e2e_sched_ms", (*Record).E2ESched),

		integerColumn("content_events", func(r *Record) *int { return &r.Events }),
		integerColumn("reads", func(r *Record) *int { return &r.Reads }),
		countColumn("want_input_tokens", func(r *Record) *int64 { return &r.WantInput }, always),
		countColumn("want_output_tokens", func(r *Record) *int64 { return &r.WantOutput }, never),
		countColumn("input_tokens", func(r *Record) *int64 { return &r.Input }, succeeded),
		countColumn("output_tokens", func(r *Record) *int64 { return &r.Output }, succeeded),
		countColumn("reasoning_tokens", func(r *Record) *int64 { return &r.Reasoning }, succeeded),
		countColumn("cached_tokens", func(r *Record) *int64 { return &r.Cached }, succeeded),
		flagColumn("usage_estimated", func(r *Record) *bool { return &r.Estimated }),

		flagColumn("ok", func(r *Record) *bool { return &r.OK }),
		flagColumn("incomplete", func(r *Record) *bool { return &r.Incomplete }),
		{"status", appendStatus, parseStatus},
		textColumn("error", func(r *Record) *string { return &r.Error }),
		textColumn("detail", func(r *Record) *string { return &r.Detail }),
		{"retry_after_ms", appendRetryAfter, parseRetryAfter},
		textColumn("request_id", func(r *Record) *string { return &r.RequestID }),
		{"cost_usd", appendCost, parseCost},
		flagColumn("connection_reused", func(r *Record) *bool { return &r.Reused }),
		optionalColumn("limit_requests", func(r *Record) *int64 { return &r.Limits.Requests }),
		optionalColumn("left_requests", func(r *Record) *int64 { return &r.Limits.RequestsLeft }),
		optionalColumn("limit_tokens", func(r *Record) *int64 { return &r.Limits.Tokens }),
		optionalColumn("left_tokens", func(r *Record) *int64 { return &r.Limits.TokensLeft }),
	}
}

// When a count of 0 is written as such.
func always(*Record) bool      { return true }
func never(*Record) bool       { return false }
func succeeded(r *Record) bool { return r.OK }

func aboutColumn(name string, get func(*Cell) string) rowColumn {
	return rowColumn{name, func(dst []byte, c *Cell, _ *Record) []byte { return appendText(dst, get(c)) }, nil}
}

func latencyColumn(name string, get func(*Record) (time.Duration, bool)) rowColumn {
	return rowColumn{name, func(dst []byte, _ *Cell, r *Record) []byte {
		if d, ok := get(r); ok {
			return appendFixed(dst, int64(d), 6)
		}
		return dst
	}, nil}
}

func textColumn(name string, at func(*Record) *string) rowColumn {
	return rowColumn{
		name, func(dst []byte, _ *Cell, r *Record) []byte { return appendText(dst, *at(r)) },
		func(r *Record, s string) error { *at(r) = strings.TrimPrefix(s, "'"); return nil },
	}
}

func integerColumn(name string, at func(*Record) *int) rowColumn {
	return rowColumn{
		name, func(dst []byte, _ *Cell, r *Record) []byte { return strconv.AppendInt(dst, int64(*at(r)), 10) },
		func(r *Record, s string) (err error) { *at(r), err = strconv.Atoi(s); return err },
	}
}

// count is a number of tokens or the like. 0 is an empty field unless zero says otherwise.
func countColumn(name string, at func(*Record) *int64, zero func(*Record) bool) rowColumn {
	return rowColumn{
		name, func(dst []byte, _ *Cell, r *Record) []byte {
			if *at(r) == 0 && !zero(r) {
				return dst
			}
			return strconv.AppendInt(dst, *at(r), 10)
		},
		func(r *Record, s string) (err error) {
			if s == "" {
				*at(r) = 0
				return nil
			}
			*at(r), err = strconv.ParseInt(s, 10, 64)
			return err
		},
	}
}

// optional is a number that is -1 where there is none.
func optionalColumn(name string, at func(*Record) *int64) rowColumn {
	return rowColumn{
		name, func(dst []byte, _ *Cell, r *Record) []byte {
			if *at(r) == -1 {
				return dst
			}
			return strconv.AppendInt(dst, *at(r), 10)
		},
		func(r *Record, s string) (err error) {
			if s == "" {
				*at(r) = -1
				return nil
			}
			*at(r), err = strconv.ParseInt(s, 10, 64)
			return err
		},
	}
}

func instantColumn(name string, at func(*Record) *time.Duration) rowColumn {
	return rowColumn{
		name, func(dst []byte, _ *Cell, r *Record) []byte {
			if *at(r) == None {
				return dst
			}
			return appendFixed(dst, int64(*at(r)), 6)
		},
		func(r *Record, s string) error {
			if s == "" {
				*at(r) = None
				return nil
			}
			n, err := parseFixed(s, 6)
			*at(r) = time.Duration(n)
			return err
		},
	}
}

func flagColumn(name string, at func(*Record) *bool) rowColumn {
	return rowColumn{
		name, func(dst []byte, _ *Cell, r *Record) []byte { return strconv.AppendBool(dst, *at(r)) },
		func(r *Record, s string) error {
			if s != "true" && s != "false" && s != "TRUE" && s != "FALSE" { // spreadsheets write them in capitals
				return fmt.Errorf("%q is not true or false", s)
			}
			*at(r) = s[0]|0x20 == 't'
			return nil
		},
	}
}

func parsePhase(r *Record, s string) error {
	for p := workload.Warmup; p <= workload.Cooldown; p++ {
		if p.String() == s {
			r.Phase = p
			return nil
		}
	}
	return fmt.Errorf("%q is not warmup, ramp, sustain or cooldown", s)
}

func appendStatus(dst []byte, _ *Cell, r *Record) []byte {
	if r.Status == 0 {
		return dst
	}
	return strconv.AppendInt(dst, int64(r.Status), 10)
}

func parseStatus(r *Record, s string) (err error) {
	if r.Status = 0; s != "" {
		r.Status, err = strconv.Atoi(s)
	}
	return err
}

func appendRetryAfter(dst []byte, _ *Cell, r *Record) []byte {
	if r.RetryAfter == 0 {
		return dst
	}
	return appendFixed(dst, int64(r.RetryAfter), 6)
}

func parseRetryAfter(r *Record, s string) error {
	if r.RetryAfter = 0; s == "" {
		return nil
	}
	n, err := parseFixed(s, 6)
	r.RetryAfter = time.Duration(n)
	return err
}

func appendCost(dst []byte, _ *Cell, r *Record) []byte {
	if !r.Priced {
		return dst
	}
	return appendFixed(dst, r.Cost, 9)
}

func parseCost(r *Record, s string) (err error) {
	r.Cost, r.Priced = 0, s != ""
	if r.Priced {
		r.Cost, err = parseFixed(s, 9)
	}
	return err
}

// appendText appends a field of text. Control characters become spaces, so that a row is a line. What a spreadsheet would
// take for a formula gets an apostrophe in front: details and ids come from the other side.
func appendText(dst []byte, s string) []byte {
	if s == "" {
		return dst
	}
	quoted := strings.ContainsAny(s, `",`) || s[0] == ' '
	if quoted {
		dst = append(dst, '"')
	}
	if strings.IndexByte("=+-@'", s[0]) >= 0 || s[0] < ' ' {
		dst = append(dst, '\'')
	}
	for _, c := range s {
		switch {
		case c == '"':
			dst = append(dst, `""`...)
		case c < ' ' || c == 0x7f || c == 0x2028 || c == 0x2029 || c == 0x85:
			dst = append(dst, ' ')
		default:
			dst = utf8.AppendRune(dst, c)
		}
	}
	if quoted {
		dst = append(dst, '"')
	}
	return dst
}

// appendFixed appends v / 10^digits without rounding.
func appendFixed(dst []byte, v int64, digits int) []byte {
	u := uint64(v)
	if v < 0 {
		dst = append(dst, '-')
		u = -u
	}
	unit := uint64(math.Pow10(digits))
	dst = strconv.AppendUint(dst, u/unit, 10)
	part := u % unit
	if part == 0 {
		return dst
	}
	dst = append(dst, '.')
	for part > 0 {
		unit /= 10
		dst = append(dst, byte('0'+part/unit))
		part %= unit
	}
	return dst
}

var errFixed = errors.New("not a decimal number in range")

// parseFixed reads what appendFixed wrote.
func parseFixed(s string, digits int) (int64, error) {
	body, negative := strings.CutPrefix(s, "-")
	whole, part, dotted := strings.Cut(body, ".")
	if whole == "" || dotted && part == "" || len(part) > digits {
		return 0, fmt.Errorf("read %q: %w", s, errFixed)
	}
	var u uint64
	for i := range len(whole) + digits {
		c := byte('0')
		switch {
		case i < len(whole):
			c = whole[i]
		case i-len(whole) < len(part):
			c = part[i-len(whole)]
		}
		if c < '0' || c > '9' || u > (1<<63)/10 {
			return 0, fmt.Errorf("read %q: %w", s, errFixed)
		}
		u = u*10 + uint64(c-'0')
	}
	switch {
	case negative && u <= 1<<63:
		return -int64(u), nil
	case !negative && u < 1<<63:
		return int64(u), nil
	}
	return 0, fmt.Errorf("read %q: %w", s, errFixed)
}
