//go:build linux

package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"mime/multipart"
	"net/http"
	"slices"
	"strings"
	"time"

	"sluice/bench/rig"
	"sluice/internal/llm"
	"sluice/internal/sim"
)

// maxDeparture is until when a provider must notice that a client has gone.
const maxDeparture = 50 * time.Millisecond

// departures are clients that leave.
func departures() []scenario {
	const doc = "the client leaves: the connection to the provider is closed within 50 ms; "
	gone := want{a: exactly(1), b: exactly(0)}
	of := func(name, what, fault string, send func(ctx context.Context, l *lab, c *cell) (*http.Request, error), fronts ...llm.Dialect) scenario {
		return scenario{
			name: "gone-" + name, row: "R10", doc: doc + what, a: fault, set: patient, one: true, only: "whole", fronts: fronts, want: gone,
			play: func(ctx context.Context, l *lab, c *cell) *played { return playDeparture(ctx, l, c, send) },
		}
	}
	chat := func(ctx context.Context, l *lab, c *cell) (*http.Request, error) {
		return c.front.Request(ctx, l.gateway.URL(), c.chat(c.id, c.stream))
	}
	stream := of("stream", "in the middle of a stream", "stall;after=5", chat)
	stream.only = "stream"
	const late = "slow-headers;delay=20s"
	// Of these both targets have a request: the client leaves when the second has it.
	both := func(name, what, first, second, set string) scenario {
		d := of(name, what, first, chat)
		d.only, d.one, d.b, d.set, d.want = "stream", false, second, patient+set, want{a: exactly(1), b: exactly(1)}
		return d
	}
	json := func(path, body string) func(ctx context.Context, l *lab, c *cell) (*http.Request, error) {
		return func(ctx context.Context, l *lab, c *cell) (*http.Request, error) {
			r, err := http.NewRequestWithContext(ctx, http.MethodPost, l.gateway.URL()+strings.ReplaceAll(path, "ID", c.id), strings.NewReader(strings.ReplaceAll(body, "ID", c.id)))
			if err == nil {
				r.Header.Set("Content-Type", "application/json")
			}
			return r, err
		}
	}
	only := llm.OpenAI
	return []scenario{
		stream,
		both("rescue", "while another target goes on with a stream that broke", "cut;after=5", "stall;after=5", ""),
		both("hedge", "while two targets are asked at once", late, late, ", hedge: {after: 20ms, budget: 100%}"),
		of("whole", "while it waits for an answer that is not streamed", late, chat),
		of("whole-middle", "in the middle of an answer that is not streamed", "stall;after=5", chat),
		of("completion", "OpenAI's completions, streamed", "stall;after=5", json("/v1/completions", `{"model":"ID","prompt":"What does a sluice do?","stream":true}`), only),
		of("embeddings", "embeddings", late, json("/v1/embeddings", `{"model":"ID","input":"What does a sluice do?"}`), only),
		of("gemini-embeddings", "Gemini's embeddings", late, json("/v1beta/models/ID:embedContent", `{"content":{"parts":[{"text":"What does a sluice do?"}]}}`), llm.Gemini),
		of("moderation", "moderations", late, json("/v1/moderations", `{"model":"ID","input":"What does a sluice do?"}`), only),
		of("image", "images", late, json("/v1/images/generations", `{"model":"ID","prompt":"A sluice."}`), only),
		of("speech", "speech", late, json("/v1/audio/speech", `{"model":"ID","input":"A sluice.","voice":"alloy"}`), only),
		of("raw", "the raw relay, before the answer", late, json("/p/ID-1/chat/completions", `{"model":"ID","messages":[{"role":"user","content":"What does a sluice do?"}]}`), only),
		of("raw-stream", "the raw relay, in the middle of a stream", "stall;after=5", json("/p/ID-1/chat/completions", `{"model":"ID","stream":true,"messages":[{"role":"user","content":"What does a sluice do?"}]}`), only),
		of("upload", "an audio file, once it is sent", late, upload(false), only),
		of("uploading", "an audio file, while it is being sent", "", upload(true), only),
	}
}

// upload returns a transcription request. If it is cut, only half of its body is ever sent.
func upload(cut bool) func(ctx context.Context, l *lab, c *cell) (*http.Request, error) {
	return func(ctx context.Context, l *lab, c *cell) (*http.Request, error) {
		var form bytes.Buffer
		w := multipart.NewWriter(&form)
		if err := w.WriteField("model", c.id); err != nil {
			return nil, fmt.Errorf("make form: %w", err)
		}
		file, err := w.CreateFormFile("file", "speech.wav")
		if err != nil {
			return nil, fmt.Errorf("make form: %w", err)
		}
		if _, err := file.Write(make([]byte, 256<<10)); err != nil {
			return nil, fmt.Errorf("make form: %w", err)
		}
		if err := w.Close(); err != nil {
			return nil, fmt.Errorf("make form: %w", err)
		}
		var body io.Reader = &form
		if cut {
			half := form.Bytes()[:form.Len()/2]
			body = io.MultiReader(bytes.NewReader(half), waiting{ctx})
		}
		r, err := http.NewRequestWithContext(ctx, http.MethodPost, l.gateway.URL()+"/v1/audio/transcriptions", body)
		if err != nil {
			return nil, fmt.Errorf("make request: %w", err)
		}
		r.Header.Set("Content-Type", w.FormDataContentType())
		return r, nil
	}
}

// waiting is a body that does not go on before its request is over.
type waiting struct{ ctx context.Context }

func (w waiting) Read([]byte) (int, error) {
	<-w.ctx.Done()
	return 0, context.Cause(w.ctx)
}

// playDeparture sends a request, waits until the provider works on it, and leaves.
func playDeparture(ctx context.Context, l *lab, c *cell, send func(ctx context.Context, l *lab, c *cell) (*http.Request, error)) *played {
	p := &played{cell: c}
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	r, err := send(ctx, l, c)
	if err != nil {
		p.err = err
		return p
	}
	r.Header.Set("User-Agent", agent+c.id)
	waited := l.first // for its request; the client leaves when it has it
	if !c.one {
		waited = l.second
	}
	streams := c.stream && c.one // else what comes is that of the first target
	var before sim.Stats
	if p.err = rig.Get(waited.Addr, "/sim/stats", &before); p.err != nil {
		return p
	}
	line := &http.Transport{DisableKeepAlives: true}
	defer line.CloseIdleConnections()
	ended := make(chan error, 1) // sent once below
	begun := make(chan struct{}) // closed below, when the answer begins to come
	go func() {
		resp, err := line.RoundTrip(r)
		if err == nil {
			defer resp.Body.Close()
			if resp.StatusCode != http.StatusOK {
				b, _ := io.ReadAll(resp.Body) // for the message only
				ended <- fmt.Errorf("status %d: %.200s", resp.StatusCode, b)
				return
			}
			if _, err = resp.Body.Read(make([]byte, 1)); err == nil {
				close(begun)
			}
			_, err = io.Copy(io.Discard, resp.Body)
		}
		ended <- err
	}()
	came := begun
	if !streams {
		came = nil
	}
	for arrived := false; !arrived; {
		select {
		case <-came:
			arrived = true
		case err := <-ended:
			p.failed("ends by itself: %v", err)
			return p
		case <-time.After(100 * time.Millisecond):
			if streams {
				continue
			}
			if arrived, p.err = hasRequest(waited, c, before.Requests); p.err != nil {
				return p
			}
		}
	}
	if !streams {
		time.Sleep(100 * time.Millisecond) // into the middle of the provider's work
	}
	left := time.Now()
	cancel()
	<-ended
	p.look = func(j *judging) { lookAtDeparture(j, left) }
	return p
}

// hasRequest reports whether a target has a request of a cell, among those after the first so many.
func hasRequest(p *rig.Product, c *cell, after int64) (bool, error) {
	var seen []sim.RequestRecord
	if err := rig.Get(p.Addr, fmt.Sprintf("/sim/requests?bodies=false&after=%d", after), &seen); err != nil {
		return false, err
	}
	return slices.ContainsFunc(seen, func(r sim.RequestRecord) bool { return r.Header.Get("User-Agent") == agent+c.id }), nil
}

// lookAtDeparture judges when the targets noticed, those of them that were still at work.
func lookAtDeparture(j *judging, left time.Time) {
	atWork := 0
	for _, r := range append(slices.Clone(j.p.seenA), j.p.seenB...) {
		took := r.Start.Add(r.Took).Sub(left)
		if r.Done && took < 0 {
			continue
		}
		atWork++
		switch {
		case !r.Done:
			j.p.failed("the target still works on it")
		case !r.Aborted:
			j.p.failed("the target has answered")
		default:
			j.Wall = max(took, j.Wall)
			j.slow("the target noticed after", took, maxDeparture)
		}
	}
	if atWork == 0 {
		j.p.failed("no target was at work when the client left")
	}
}
