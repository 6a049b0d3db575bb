//go:build linux

package main

import (
	"bufio"
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http/httputil"
	"slices"
	"sync"
	"time"

	"sluice/bench/rig"
)

// runStreams opens the job's streams over its ramp, at times fixed before, and follows each to its end. All of them are
// open during the window; a stream that starts early is longer, so that all end soon after it:
//
//	begin      ramp       warm        window
//	  |---------|----------|===========|
//	  first stream  ......................
//	            last stream ...............
func runStreams(c rig.Clock, j job) (*result, error) {
	begin := c.Now() + int64(100*time.Millisecond) // time to plan
	from := begin + int64(j.Ramp+j.Warm)
	t := newTally(from, from+int64(j.Window))
	f := &follower{clock: c, addr: j.Addr, tally: t}
	plan := planStreams(j, begin)

	watched := make(chan error, 1)
	go func() { watched <- watch(c, j, t) }()
	err := f.run(plan)
	if werr := <-watched; werr != nil {
		err = errors.Join(err, werr)
	}
	if err != nil {
		return nil, err
	}
	return t.finish(), nil
}

// plannedStream is a stream as it was meant before the first one started.
type plannedStream struct {
	due     int64
	chunks  int // content chunks of the complete stream
	limit   time.Duration
	request []byte
}

// planStreams fixes the starts of all streams, at random over the ramp, in order.
func planStreams(j job, begin int64) []plannedStream {
	interval := time.Duration(float64(time.Second) / j.Rate)
	end := int64(j.Ramp + j.Warm + j.Window)
	rnd := rand.New(rand.NewPCG(j.Seed, 2))
	plan := make([]plannedStream, j.Streams)
	for i := range plan {
		at := rnd.Int64N(int64(j.Ramp))
		chunks := int((end-at)/int64(interval)) + 2 // the last one after the window
		plan[i] = plannedStream{
			due: begin + at, chunks: chunks, limit: time.Duration(chunks)*interval + patience,
			request: request(j.Addr, j.Size, chunks, interval),
		}
	}
	slices.SortFunc(plan, func(a, b plannedStream) int { return cmp.Compare(a.due, b.due) })
	return plan
}

// follower opens streams and checks that each is complete.
type follower struct {
	clock rig.Clock
	addr  string
	tally *tally
}

// run starts each stream when it is due and returns when the last has ended.
func (f *follower) run(plan []plannedStream) error {
	var wg sync.WaitGroup
	defer wg.Wait()
	a, err := rig.NewAlarm()
	if err != nil {
		return err
	}
	defer a.Close()
	for _, s := range plan {
		if err := a.Until(f.clock, s.due); err != nil {
			return err
		}
		wg.Go(func() {
			if err := f.follow(s); err != nil {
				f.tally.fail(err)
			}
		})
	}
	return nil
}

// follow reads one stream. It returns an error unless all chunks and the end came.
func (f *follower) follow(s plannedStream) error {
	f.tally.sent(s.due, f.clock.Now())
	c, err := net.DialTimeout("tcp", f.addr, patience)
	if err != nil {
		return fmt.Errorf("dial peer: %w", err)
	}
	defer c.Close()
	if err := c.SetDeadline(time.Now().Add(s.limit)); err != nil {
		return fmt.Errorf("limit stream: %w", err)
	}
	if _, err := c.Write(s.request); err != nil {
		return fmt.Errorf("send request: %w", err)
	}
	br := bufio.NewReaderSize(c, 2048)
	h, err := readHead(br)
	if err != nil {
		return fmt.Errorf("read head: %w", err)
	}
	if h.status != 200 || !h.chunked {
		b, _ := br.Peek(min(200, br.Buffered()))
		return fmt.Errorf("open stream: status %d, chunked %t: %s", h.status, h.chunked, b)
	}
	f.tally.opened(1)
	defer f.tally.opened(-1)
	return f.events(httputil.NewChunkedReader(br), s)
}

// events reads the lines of a stream's body to its end.
func (f *follower) events(body io.Reader, s plannedStream) error {
	lines := bufio.NewReaderSize(body, 1024)
	chunks, done := 0, false
	for {
		line, err := lines.ReadSlice('\n')
		if errors.Is(err, io.EOF) && done && chunks == s.chunks {
			return nil
		}
		if err != nil {
			return fmt.Errorf("read stream after %d of %d chunks, done %t: %w", chunks, s.chunks, done, err)
		}
		if at, ok := rig.StampOf(line); ok {
			f.tally.chunk(s.due, at, f.clock.Now(), chunks == 0)
			chunks++
		} else if bytes.Contains(line, []byte("[DONE]")) {
			done = true
		}
	}
}

// opened changes the number of streams that are open.
func (t *tally) opened(by int64) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.open += by
}

// chunk counts a content chunk that was written at one time and read at another.
func (t *tally) chunk(due, written, read int64, first bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if first {
		record(t.first, read-due)
	}
	if read >= t.from && read < t.to {
		t.r.Units++
		record(t.delay, read-written)
	}
}
