//go:build linux

package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http/httputil"
	"os"
	"strconv"
	"strings"
	"sync"
	"time"

	"sluice/bench/rig"

	"github.com/HdrHistogram/hdrhistogram-go"
)

// job is one phase of load on one peer. The runner sends it to the client process as a line of JSON.
type job struct {
	Kind    string        // open, closed or streams
	Addr    string        // of the peer
	Mock    string        // of the mock, asked for its lateness
	Peer    int           // process id of the gateway, 0 when there is none
	MockPID int           // process id of the mock
	Size    int           // bytes of the prompt
	Rate    float64       // open: calls a second; streams: chunks a second of each stream
	Conns   int           // closed: connections in use; open: connections opened ahead
	Streams int           // streams: how many are open at once
	Ramp    time.Duration // streams: time over which they start
	Warm    time.Duration // load before the window
	Window  time.Duration // what counts
	Seed    uint64        // of the schedule

	PeerCPUs, LoadCPUs []int // what the processes are pinned to; empty if nothing is
}

// result is what one job measured. Times of processes are those used within the window.
type result struct {
	Units        int64  // calls or chunks that ended in the window
	Sent, Failed int64  // calls or streams of the whole job
	FirstError   string `json:",omitempty"`

	Latency     rig.Quantiles // calls: from the intended start (open) or the write (closed) to the last byte
	FirstChunk  rig.Quantiles // streams: from the intended start to the first content chunk
	Delay       rig.Quantiles // streams: from the mock's write of a chunk to the client's read
	DispatchLag rig.Quantiles // from the intended start to the write of the request, or to the dial of a stream
	MockLag     rig.Quantiles // from the due time of a chunk to its write

	Wall                        time.Duration
	PeerCPU, MockCPU, ClientCPU time.Duration
	PeerCores, LoadCores        time.Duration // busy time of the CPUs, whoever used it
	OpenBefore, OpenAfter       int64         // streams open at both ends of the window
	PeakRSS, PSS                int64         // of the peer, KiB
}

func summarize(h *hdrhistogram.Histogram) rig.Quantiles {
	return rig.Quantiles{N: h.TotalCount(), P50: h.ValueAtQuantile(50), P90: h.ValueAtQuantile(90), P99: h.ValueAtQuantile(99), Max: h.Max()}
}

func newHistogram() *hdrhistogram.Histogram {
	return hdrhistogram.New(1, int64(2*time.Minute), 3)
}

// record adds a time to h, moved into its range.
func record(h *hdrhistogram.Histogram, ns int64) {
	// RecordValue fails for values out of range only.
	_ = h.RecordValue(min(max(ns, 1), h.HighestTrackableValue()))
}

// runClient does the jobs that come in on stdin and answers each with a line of JSON. It ends with stdin.
func runClient() error {
	c, err := rig.NewClock()
	if err != nil {
		return err
	}
	if _, err := rig.RaiseFiles(); err != nil {
		return err
	}
	in := json.NewDecoder(os.Stdin)
	out := json.NewEncoder(os.Stdout)
	for {
		var j job
		if err := in.Decode(&j); errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return fmt.Errorf("read job: %w", err)
		}
		r, err := runJob(c, j)
		if err != nil {
			return fmt.Errorf("run %s job: %w", j.Kind, err)
		}
		if err := out.Encode(r); err != nil {
			return fmt.Errorf("write result: %w", err)
		}
	}
}

func runJob(c rig.Clock, j job) (*result, error) {
	switch j.Kind {
	case "open", "closed":
		return runCalls(c, j)
	case "streams":
		return runStreams(c, j)
	}
	return nil, fmt.Errorf("unknown kind %q", j.Kind)
}

// tally is what the connections of a job record together.
type tally struct {
	from, to int64 // the window, on the job's clock

	mu      sync.Mutex
	r       result
	latency *hdrhistogram.Histogram
	first   *hdrhistogram.Histogram
	delay   *hdrhistogram.Histogram
	lag     *hdrhistogram.Histogram
	open    int64
}

func newTally(from, to int64) *tally {
	return &tally{from: from, to: to, latency: newHistogram(), first: newHistogram(), delay: newHistogram(), lag: newHistogram()}
}

// sent counts a call or stream that was meant to start at due and was started at now.
func (t *tally) sent(due, now int64) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.r.Sent++
	record(t.lag, now-due)
}

// answered counts a complete call.
func (t *tally) answered(due, now int64) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if now >= t.from && now < t.to {
		t.r.Units++
	}
	if due >= t.from && due < t.to {
		record(t.latency, now-due)
	}
}

func (t *tally) fail(err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.r.Failed++
	if t.r.FirstError == "" {
		t.r.FirstError = err.Error()
	}
}

// finish returns the result, with the quantiles filled in.
func (t *tally) finish() *result {
	t.mu.Lock()
	defer t.mu.Unlock()
	r := t.r
	r.Latency, r.FirstChunk = summarize(t.latency), summarize(t.first)
	r.Delay, r.DispatchLag = summarize(t.delay), summarize(t.lag)
	return &r
}

// watch reads the counters of processes and cores at both ends of the window, and the peer's memory in between. The
// processes never pause, so that what is under way at one end is matched by what is at the other.
func watch(c rig.Clock, j job, t *tally) error {
	a, err := rig.NewAlarm()
	if err != nil {
		return err
	}
	defer a.Close()
	if err := a.Until(c, t.from); err != nil {
		return err
	}
	before, err := readUsage(c, j)
	if err != nil {
		return err
	}
	if _, err := rig.TakeLag(j.Mock); err != nil { // starts the mock's count over
		return err
	}
	t.mu.Lock()
	t.r.OpenBefore = t.open
	t.mu.Unlock()
	var peak int64
	for at := t.from; at < t.to && j.Peer != 0; at += int64(200 * time.Millisecond) {
		if err := a.Until(c, min(at, t.to)); err != nil {
			return err
		}
		kb, err := rig.ResidentKB(j.Peer)
		if err != nil {
			return err
		}
		peak = max(peak, kb)
	}
	if err := a.Until(c, t.to); err != nil {
		return err
	}
	after, err := readUsage(c, j)
	if err != nil {
		return err
	}
	lag, err := rig.TakeLag(j.Mock)
	if err != nil {
		return err
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	r := &t.r
	r.OpenAfter, r.PeakRSS, r.MockLag = t.open, peak, lag
	r.Wall = time.Duration(after.at - before.at)
	r.PeerCPU, r.MockCPU, r.ClientCPU = after.peer-before.peer, after.mock-before.mock, after.client-before.client
	r.PeerCores, r.LoadCores = after.peerCores-before.peerCores, after.loadCores-before.loadCores
	if j.Peer != 0 && j.Kind == "streams" {
		if r.PSS, err = rig.ProportionalKB(j.Peer); err != nil {
			return err
		}
	}
	return nil
}

// usage is one reading of all counters.
type usage struct {
	at                   int64
	peer, mock, client   time.Duration
	peerCores, loadCores time.Duration
}

func readUsage(c rig.Clock, j job) (u usage, err error) {
	u.at = c.Now()
	if j.Peer != 0 {
		if u.peer, err = rig.CPUTime(j.Peer); err != nil {
			return u, err
		}
	}
	if u.mock, err = rig.CPUTime(j.MockPID); err != nil {
		return u, err
	}
	if u.client, err = rig.CPUTime(os.Getpid()); err != nil {
		return u, err
	}
	if u.peerCores, err = rig.CoreTime(j.PeerCPUs); err != nil {
		return u, err
	}
	u.loadCores, err = rig.CoreTime(j.LoadCPUs)
	return u, err
}

// head is what the client needs of a response's head.
type head struct {
	status  int
	length  int // of the body; -1 when not stated
	chunked bool
}

func readHead(br *bufio.Reader) (head, error) {
	h := head{length: -1}
	line, err := br.ReadSlice('\n')
	if err != nil {
		return h, err
	}
	f := bytes.Fields(line)
	if len(f) < 2 || !bytes.HasPrefix(f[0], []byte("HTTP/1.1")) {
		return h, fmt.Errorf("status line %q", line)
	}
	if h.status, err = strconv.Atoi(string(f[1])); err != nil {
		return h, fmt.Errorf("status line %q", line)
	}
	for {
		line, err := br.ReadSlice('\n')
		if err != nil {
			return h, err
		}
		line = bytes.TrimRight(line, "\r\n")
		if len(line) == 0 {
			return h, nil
		}
		if v, ok := headerValue(line, "content-length"); ok {
			if h.length, err = strconv.Atoi(string(v)); err != nil {
				return h, fmt.Errorf("content-length %q", v)
			}
		}
		if v, ok := headerValue(line, "transfer-encoding"); ok {
			h.chunked = bytes.EqualFold(v, []byte("chunked"))
		}
	}
}

// readAnswer reads a complete non-stream answer and checks that it is one.
func readAnswer(br *bufio.Reader) error {
	h, err := readHead(br)
	if err != nil {
		return err
	}
	body, err := readBody(br, h)
	if err != nil {
		return err
	}
	if h.status != 200 || !bytes.Contains(body, []byte(`"total_tokens"`)) {
		return fmt.Errorf("status %d: %.200s", h.status, body)
	}
	if !h.chunked {
		_, err = br.Discard(len(body))
	}
	return err
}

// readBody returns the body; one of stated length is left in the reader's buffer, which must be large enough.
func readBody(br *bufio.Reader, h head) ([]byte, error) {
	switch {
	case h.chunked:
		b, err := io.ReadAll(httputil.NewChunkedReader(br))
		if err != nil {
			return nil, err
		}
		_, err = br.ReadSlice('\n') // the empty line after the last chunk
		return b, err
	case h.length >= 0:
		return br.Peek(h.length)
	}
	return nil, errors.New("answer without length")
}

// request returns the bytes of a call with a prompt of size bytes; chunks and interval are for streams, else 0.
func request(addr string, size, chunks int, interval time.Duration) []byte {
	const text = `Tell me, in plain words, how a river finds its way to the sea.\nGive \"three\" examples. `
	prompt := strings.Repeat(text, size/len(text)+1)[:size]
	prompt = strings.TrimRight(prompt, `\`) // a cut escape
	prompt += strings.Repeat(".", size-len(prompt))
	stream := ""
	if chunks > 0 {
		stream = fmt.Sprintf(`"stream":true,"max_tokens":%d,`, chunks)
	}
	body := fmt.Sprintf(`{"model":"bench/%s",%s"messages":[{"role":"user","content":"%s"}],"temperature":0.7}`, rig.MockModel(0, interval), stream, prompt)
	return fmt.Appendf(nil, "POST /v1/chat/completions HTTP/1.1\r\nHost: %s\r\nAuthorization: Bearer %s\r\nContent-Type: application/json\r\n"+
		"Accept: application/json\r\nUser-Agent: bench\r\nContent-Length: %d%s%s", addr, benchKey, len(body), "\r\n\r\n", body)
}

// headerValue returns the value of a header line if it has the name, which is given in lower case.
func headerValue(line []byte, name string) ([]byte, bool) {
	if len(line) <= len(name) || line[len(name)] != ':' || !bytes.EqualFold(line[:len(name)], []byte(name)) {
		return nil, false
	}
	return bytes.TrimSpace(line[len(name)+1:]), true
}
