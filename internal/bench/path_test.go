package bench

import (
	"bufio"
	"bytes"
	"context"
	"io"
	"net"
	"net/http"
	"strconv"
	"sync"
	"testing"
	"time"

	"sluice/internal/llm"
	"sluice/internal/wire/openai"
	"sluice/internal/workload"
)

// again is a reader of the same bytes, once for each rewind.
type again struct {
	data []byte
	bytes.Reader
}

func (a *again) rewind() { a.Reset(a.data) }

// followed is a worker in the middle of a stream, with an event to read.
func followed() (*worker, *outcome, llm.StreamReader, *again) {
	r := &run{anchor: time.Now(), target: &Target{Dialect: openai.Client{}}}
	r.gaps.init()
	w, o := newWorker(r), &outcome{}
	o.rec.Phase = workload.Sustain
	s := w.streamReader(llm.OpChat)
	w.events.Reset(maxEvent)
	return w, o, s, &again{data: []byte(text("a word"))}
}

// BenchmarkRequest is a whole request without a stream, from the job to the record, with the server's part left out as far as
// it goes: it reads and writes fixed bytes.
func BenchmarkRequest(b *testing.B) {
	addr := fixedServer(b)
	o := &Options{
		Target: &Target{BaseURL: "http://" + addr + "/v1", Model: "m", Dialect: openai.Client{}}, Workload: whole(), Prompts: texts{},
		Schedule: constant(1, time.Second, 10),
	}
	r, err := newRun(o)
	if err != nil {
		b.Fatal(err)
	}
	defer r.sender.close()
	r.anchor = time.Now()
	r.gaps.init()
	r.intake, r.stop = context.WithCancelCause(b.Context())
	r.work, r.cut = context.WithCancelCause(b.Context())
	defer r.cut(nil)
	c := newCollector(r)
	w := newWorker(r)
	slot := workload.Slot{Phase: workload.Sustain, Input: 20, Output: 10}
	b.ReportAllocs()
	for b.Loop() {
		w.do(r.prepare(slot))
		out := <-r.results
		if !out.rec.OK {
			b.Fatalf("%+v", out.rec)
		}
		c.take(out)
		r.outcomes.Put(out)
	}
}

// fixedServer answers every request on loopback with the same bytes. It returns its address.
func fixedServer(tb testing.TB) string {
	tb.Helper()
	body := `{"choices":[{"index":0,"message":{"role":"assistant","content":"Hello there."},"finish_reason":"stop"}],` +
		`"usage":{"prompt_tokens":20,"completion_tokens":10,"total_tokens":30}}`
	answer := []byte("HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: " + strconv.Itoa(len(body)) + "\r\n\r\n" + body)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		tb.Fatal(err)
	}
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			wg.Go(func() {
				defer c.Close()
				for br := bufio.NewReader(c); ; {
					rq, err := http.ReadRequest(br)
					if err != nil {
						return
					}
					_, _ = io.Copy(io.Discard, rq.Body)
					if _, err := c.Write(answer); err != nil {
						return
					}
				}
			})
		}
	})
	tb.Cleanup(func() {
		_ = l.Close()
		wg.Wait()
	})
	return l.Addr().String()
}
