package gateway

import (
	"bytes"
	"mime"
	"strings"

	"sluice/internal/dialect"
	"sluice/internal/llm"
	"sluice/internal/upstream"
	"sluice/internal/wire"
)

// isMedia reports whether the answers of an operation come in forms of their own: images, sound, text files, and event streams that
// are no chat.
func isMedia(op llm.Op) bool {
	return op == llm.OpImage || op == llm.OpSpeech || op == llm.OpTranscription
}

// media answers an operation on images or sound. JSON is read whole, as for other operations; event streams are passed on, and
// watched for errors, usage and their end; what else there is (sound, srt, vtt, text) is passed on as it comes.
func (r *run) media(answer *upstream.Answer) *llm.Error {
	r.consumed.opaque = true
	kind, _, _ := mime.ParseMediaType(answer.Header.Get("Content-Type"))
	switch {
	case kind == "text/event-stream":
		m := &mediaEvents{front: r.x.Call.Front}
		m.reader.Reset(r.info.account.MaxEvent)
		return r.pass(answer, m)
	case isJSON(kind):
		answer.FirstToken()
		return r.whole(answer)
	}
	return r.pass(answer, blind{})
}

func isJSON(kind string) bool { return kind == "application/json" || strings.HasSuffix(kind, "+json") }

// mediaEvents watches the event stream of an image, of speech or of a transcription (PROVIDERS.md 1.7). Servers that send
// transcriptions as chat chunks (vLLM) end with [DONE].
type mediaEvents struct {
	front  llm.Dialect
	reader wire.Reader
	begun  bool // an event with data has come
	done   bool // the last event has come
	err    *llm.Error
	usage  llm.Usage
	has    bool
}

// see cuts the bytes into events.
func (m *mediaEvents) see(p []byte) {
	src := bytes.NewReader(p)
	for src.Len() > 0 && m.err == nil {
		if _, err := m.reader.Fill(src); err != nil {
			return
		}
		m.next()
	}
}

func (m *mediaEvents) next() {
	for m.err == nil {
		ev, ok, err := m.reader.Next()
		if err != nil {
			m.err = tooMuch("cannot read the provider's stream: %v", err)
			return
		}
		if !ok {
			return
		}
		m.event(&ev)
	}
}

func (m *mediaEvents) event(ev *wire.Event) {
	data := bytes.TrimSpace(ev.Data)
	switch {
	case len(data) == 0:
		return
	case string(data) == "[DONE]":
		m.begun, m.done = true, true
		return
	}
	failed := string(ev.Name) == "error"
	_, _ = wire.Walk(data, func(name string, at wire.Span) bool {
		v := at.Of(data)
		switch name {
		case "type":
			switch t, _ := wire.Text(v); t {
			case "error":
				failed = true
			case "transcript.text.done", "speech.audio.done", "image_generation.completed", "image_edit.completed":
				m.done = true
			}
		case "error":
			failed = failed || string(v) != "null"
		case "usage":
			if u, ok := dialect.MediaUsage(v); ok {
				m.usage, m.has = m.usage.Plus(u), true
			}
		}
		return true
	})
	if failed {
		m.err = providerError(ev)
		return
	}
	m.begun = true
}

func (m *mediaEvents) ready() bool       { return m.begun }
func (m *mediaEvents) broke() *llm.Error { return m.err }

func (m *mediaEvents) end() error {
	if ev, ok := m.reader.Last(); ok {
		m.event(&ev)
	}
	if !m.done {
		return errNoEnd
	}
	return nil
}

func (m *mediaEvents) used(c *consumed) { c.usage, c.reported = m.usage, m.has }

func (m *mediaEvents) fail(e *llm.Error) []byte {
	return dialect.Of(m.front).NewFollower().Fail(nil, e)
}

// providerError classifies an event that tells of an error.
func providerError(ev *wire.Event) *llm.Error {
	f := dialect.Of(llm.OpenAI).NewFollower()
	f.Reset(wire.FollowOptions{})
	f.Observe(ev)
	if e := f.State().Err; e != nil {
		return e
	}
	e := llm.Errorf(llm.KindProviderStream, "provider sent an error in its answer: %.500s", ev.Data)
	e.Sent = llm.WasSent
	return e
}
