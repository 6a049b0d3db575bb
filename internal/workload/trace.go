package workload

import (
	"bufio"
	"cmp"
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Limits on traces, against files that are none.
const (
	maxTraceRows   = 1_000_000
	maxTraceBytes  = 512 << 20 // unpacked
	maxTraceBlocks = 16_000_000
	maxTraceLine   = 1 << 20
	maxTraceSpan   = 366 * 24 * time.Hour
)

// The formats of traces.
const (
	formatAzure    = "azure"    // CSV: TIMESTAMP, ContextTokens, GeneratedTokens
	formatMooncake = "mooncake" // JSONL: timestamp, input_length, output_length, hash_ids
	formatPlain    = "csv"      // CSV: offset_ms, input_tokens, output_tokens, blocks
)

// mooncakeBlock is the number of tokens that a hash id of Mooncake stands for.
const mooncakeBlock = 512

// mooncakeStamp is how far apart the time stamps of Mooncake's traces are.
const mooncakeStamp = 3 * time.Second

// replay says how a trace is used.
type replay struct {
	Digest   string        `json:"digest,omitempty"` // of the rows
	Dejitter time.Duration `json:"dejitter,omitempty"`
	Whole    bool          `json:"whole,omitempty"` // the sustain phase is as long as the trace
}

// trace is a record of requests that some service got.
type trace struct {
	format string
	rows   []traceRow    // in the order of their times
	ids    []int32       // of the blocks of all rows, numbered in the order in which they appear
	block  int32         // tokens of a block; 0 if rows have none
	spread time.Duration // over which rows with one time stamp are spread
}

// traceRow is one request.
type traceRow struct {
	at       time.Duration // since the first row
	in, out  int32
	seen     int32 // leading tokens whose blocks are in earlier rows
	from, to int   // of its ids
}

func (t *trace) blocks(row int32) []int32 { return t.ids[t.rows[row].from:t.rows[row].to] }

// span returns how long the trace is: to its last row, and one mean gap more.
func (t *trace) span() time.Duration {
	last := t.rows[len(t.rows)-1].at
	return last + max(last/time.Duration(max(len(t.rows)-1, 1)), t.spread)
}

// rate returns the mean rate in requests a second.
func (t *trace) rate() float64 { return float64(len(t.rows)) / t.span().Seconds() }

// times returns when each row is due. Rows with the same time stamp are spread evenly at random over the time after it, in
// their order: a service that stamps by the second got them one by one, not in bursts.
func (t *trace) times(src source) []time.Duration {
	out := make([]time.Duration, len(t.rows))
	for i := range t.rows {
		out[i] = t.rows[i].at
	}
	if t.spread == 0 {
		return out
	}
	for i := 0; i < len(out); {
		j := i
		for stamp := t.rows[i].at; j < len(out) && t.rows[j].at == stamp; j++ {
			out[j] += time.Duration(float64(t.spread) * src.unit(uint64(j)))
		}
		slices.Sort(out[i:j])
		i = j
	}
	slices.Sort(out) // a spread over the next stamp mixes the times, never the order of rows
	return out
}

// digest returns the SHA-256 of all rows.
func (t *trace) digest() string {
	h := sha256.New()
	for i, r := range t.rows {
		fmt.Fprintf(h, "%d,%d,%d,%d,%v\n", r.at, r.in, r.out, t.block, t.blocks(int32(i))) // a hash's Write returns no error
	}
	return hex.EncodeToString(h.Sum(nil))
}

// traceReader builds a trace row by row.
type traceReader struct {
	trace
	numbers map[int64]int32 // of blocks, by the id in the file
	start   time.Time       // of azure's first row
	columns []int           // of a CSV: where time, input, output and blocks are; -1 for none
}

// readTrace reads a trace, packed by gzip or not. format is "" to tell by its first line, limit the number of rows to read,
// 0 for all, block the tokens of a block, 0 for Mooncake's 512. Rows are sorted by time. Errors name the line.
func readTrace(src io.Reader, format string, limit int, block int32) (*trace, error) {
	buffered := bufio.NewReader(src)
	src = buffered
	if magic, err := buffered.Peek(2); err == nil && magic[0] == 0x1f && magic[1] == 0x8b {
		unpacked, err := gzip.NewReader(buffered)
		if err != nil {
			return nil, fmt.Errorf("unpack: %w", err)
		}
		src = unpacked
	}
	r := &traceReader{trace: trace{format: format, block: block}, numbers: make(map[int64]int32)}
	if err := r.read(src, limit); err != nil {
		return nil, err
	}
	if len(r.rows) == 0 {
		return nil, errors.New("there are no rows")
	}
	r.finish()
	return &r.trace, nil
}

func (r *traceReader) read(src io.Reader, limit int) error {
	bounded := &io.LimitedReader{R: src, N: maxTraceBytes + 1}
	lines := bufio.NewScanner(bounded)
	lines.Buffer(nil, maxTraceLine)
	number := 0
	for lines.Scan() {
		number++
		if bounded.N <= 0 {
			return fmt.Errorf("the trace is larger than %d MiB; trace.limit takes a part of the rows only if they come before that", maxTraceBytes>>20)
		}
		line := strings.TrimSpace(strings.TrimPrefix(lines.Text(), "\ufeff"))
		if line == "" {
			continue
		}
		if err := r.line(line); err != nil {
			return fmt.Errorf("line %d: %w", number, err)
		}
		switch {
		case limit > 0 && len(r.rows) == limit:
			return nil
		case len(r.rows) > maxTraceRows:
			return fmt.Errorf("line %d: there are more than %d rows; set trace.limit", number, maxTraceRows)
		case len(r.ids) > maxTraceBlocks:
			return fmt.Errorf("line %d: there are more than %d block ids; set trace.limit", number, maxTraceBlocks)
		}
	}
	if errors.Is(lines.Err(), bufio.ErrTooLong) {
		return fmt.Errorf("line %d: is longer than %d KiB", number+1, maxTraceLine>>10)
	}
	return lines.Err()
}

// line reads one line, the first of which tells the format.
func (r *traceReader) line(line string) error {
	if r.format == "" {
		switch {
		case strings.HasPrefix(line, "{"):
			r.format = formatMooncake
		case strings.Contains(strings.ToUpper(line), "TIMESTAMP"):
			r.format = formatAzure
		case strings.Contains(line, "offset_ms"):
			r.format = formatPlain
		default:
			return errors.New("is the beginning of no known format (azure, mooncake, csv)")
		}
	}
	if r.format == formatMooncake {
		return r.mooncake(line)
	}
	fields := strings.Split(line, ",")
	if r.columns == nil {
		return r.header(fields)
	}
	if r.format == formatAzure {
		return r.azure(fields)
	}
	return r.plain(fields)
}

// header finds the columns of a CSV by their names. Other columns may be there.
func (r *traceReader) header(fields []string) error {
	names := []string{"timestamp", "contexttokens", "generatedtokens", ""}
	if r.format == formatPlain {
		names = []string{"offset_ms", "input_tokens", "output_tokens", "blocks"}
	}
	for _, name := range names {
		at := slices.IndexFunc(fields, func(f string) bool { return name != "" && strings.EqualFold(strings.TrimSpace(f), name) })
		if at < 0 && len(r.columns) < 3 {
			return fmt.Errorf("the header has no column %q", name)
		}
		r.columns = append(r.columns, at)
	}
	return nil
}

func column(fields []string, at int) (string, error) {
	if at >= len(fields) {
		return "", fmt.Errorf("has %d columns, %d are needed", len(fields), at+1)
	}
	return strings.TrimSpace(fields[at]), nil
}

// tokens reads the columns of lengths.
func (r *traceReader) tokens(fields []string) (in, out int64, err error) {
	var text [2]string
	for i := range text {
		if text[i], err = column(fields, r.columns[1+i]); err != nil {
			return 0, 0, err
		}
	}
	if in, err = strconv.ParseInt(text[0], 10, 64); err != nil {
		return 0, 0, fmt.Errorf("%q is no number of input tokens", text[0])
	}
	if out, err = strconv.ParseInt(text[1], 10, 64); err != nil {
		return 0, 0, fmt.Errorf("%q is no number of output tokens", text[1])
	}
	return in, out, nil
}

func (r *traceReader) azure(fields []string) error {
	stamp, err := column(fields, r.columns[0])
	if err != nil {
		return err
	}
	at, err := azureTime(stamp)
	if err != nil {
		return err
	}
	if len(r.rows) == 0 {
		r.start = at
	}
	in, out, err := r.tokens(fields)
	if err != nil {
		return err
	}
	return r.add(at.Sub(r.start), in, out, nil)
}

// azureTime reads a time stamp of the traces of 2023 ("2023-11-16 18:17:03.9799600") and of those after ("2024-05-10
// 00:00:00.009930+00:00").
func azureTime(text string) (time.Time, error) {
	for _, layout := range []string{"2006-01-02 15:04:05", "2006-01-02 15:04:05Z07:00"} {
		if t, err := time.Parse(layout, text); err == nil {
			return t, nil
		}
	}
	return time.Time{}, fmt.Errorf("%q is no time such as 2023-11-16 18:17:03.9799600", text)
}

func (r *traceReader) plain(fields []string) error {
	text, err := column(fields, r.columns[0])
	if err != nil {
		return err
	}
	ms, err := strconv.ParseFloat(text, 64)
	if err != nil || !(ms >= 0 && ms <= float64(maxTraceSpan/time.Millisecond)) {
		return fmt.Errorf("%q is no offset in milliseconds", text)
	}
	in, out, err := r.tokens(fields)
	if err != nil {
		return err
	}
	var ids []int64
	if at := r.columns[3]; at >= 0 && at < len(fields) {
		if ids, err = parseRuns(fields[at]); err != nil {
			return err
		}
	}
	return r.add(time.Duration(ms*float64(time.Millisecond)), in, out, ids)
}

// parseRuns reads numbers and runs of numbers: "0 14-27".
func parseRuns(text string) ([]int64, error) {
	var ids []int64
	for _, f := range strings.Fields(text) {
		low, high, isRun := strings.Cut(f, "-")
		if !isRun {
			high = low
		}
		from, err1 := strconv.ParseInt(low, 10, 64)
		to, err2 := strconv.ParseInt(high, 10, 64)
		if err1 != nil || err2 != nil || from < 0 || to < from || to-from >= maxTokens {
			return nil, fmt.Errorf("%q is neither a block nor a run of blocks such as 14-27", f)
		}
		if int64(len(ids))+to-from >= maxTokens {
			return nil, fmt.Errorf("a row has more than %d blocks", maxTokens)
		}
		for id := from; id <= to; id++ {
			ids = append(ids, id)
		}
	}
	return ids, nil
}

func (r *traceReader) mooncake(line string) error {
	var row struct {
		Timestamp *float64 `json:"timestamp"` // milliseconds
		Input     *int64   `json:"input_length"`
		Output    *int64   `json:"output_length"`
		IDs       []int64  `json:"hash_ids"`
	}
	if err := json.Unmarshal([]byte(line), &row); err != nil {
		return fmt.Errorf("is no JSON object of a trace: %w", err)
	}
	if row.Timestamp == nil || row.Input == nil || row.Output == nil {
		return errors.New("needs timestamp, input_length and output_length")
	}
	if ms := *row.Timestamp; !(ms >= 0 && ms <= float64(maxTraceSpan/time.Millisecond)) {
		return fmt.Errorf("timestamp %v is not between 0 and a year in milliseconds", ms)
	}
	return r.add(time.Duration(*row.Timestamp*float64(time.Millisecond)), *row.Input, *row.Output, row.IDs)
}

// add appends a row with its blocks.
func (r *traceReader) add(at time.Duration, in, out int64, ids []int64) error {
	switch {
	case at.Abs() > maxTraceSpan:
		return fmt.Errorf("is %v from the first row; a trace is shorter than %v", at, maxTraceSpan)
	case in < 1 || in > maxTokens:
		return fmt.Errorf("%d input tokens; a request has 1 to %d", in, maxTokens)
	case out < 1 || out > maxTokens:
		return fmt.Errorf("%d output tokens; a request has 1 to %d", out, maxTokens)
	}
	if len(ids) > 0 && r.block == 0 {
		r.block = mooncakeBlock
	}
	if len(ids) > 0 && (int64(len(ids))-1)*int64(r.block) >= in {
		return fmt.Errorf("%d blocks of %d tokens are too many for %d input tokens", len(ids), r.block, in)
	}
	row := traceRow{at: at, in: int32(in), out: int32(out), from: len(r.ids)}
	for _, id := range ids {
		number, ok := r.numbers[id]
		if !ok {
			number = int32(len(r.numbers))
			r.numbers[id] = number
		}
		r.ids = append(r.ids, number)
	}
	row.to = len(r.ids)
	r.rows = append(r.rows, row)
	return nil
}

// finish sorts the rows, counts times from the first, numbers blocks in the order of the rows, and notes what each row shares
// with those before it.
func (r *traceReader) finish() {
	if len(r.ids) == 0 {
		r.block = 0
	}
	slices.SortStableFunc(r.rows, func(a, b traceRow) int { return cmp.Compare(a.at, b.at) })
	first := r.rows[0].at
	ids := make([]int32, 0, len(r.ids))
	numbers := make([]int32, len(r.numbers)) // from 1; 0 for those that no row had yet
	next := int32(0)
	for i := range r.rows {
		row := &r.rows[i]
		row.at -= first
		from, leading := len(ids), true
		for n, old := range r.blocks(int32(i)) {
			if leading = leading && numbers[old] > 0; leading {
				row.seen = min(int32(n+1)*r.block, row.in)
			}
			if numbers[old] == 0 {
				next++
				numbers[old] = next
			}
			ids = append(ids, numbers[old]-1)
		}
		row.from, row.to = from, len(ids)
	}
	r.ids = ids
}
