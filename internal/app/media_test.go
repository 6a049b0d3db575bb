package app

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"mime/multipart"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

// formBody returns a form with fields, given as names and values in turn, and its content type. The field file becomes a file.
func formBody(t *testing.T, fields ...string) (body, contentType string) {
	t.Helper()
	var b bytes.Buffer
	mw := multipart.NewWriter(&b)
	for i := 0; i < len(fields); i += 2 {
		var w io.Writer
		var err error
		if fields[i] == "file" {
			w, err = mw.CreateFormFile("file", "speech.wav")
		} else {
			w, err = mw.CreateFormField(fields[i])
		}
		if err != nil {
			t.Fatal(err)
		}
		_, _ = io.WriteString(w, fields[i+1]) // to memory
	}
	if err := mw.Close(); err != nil {
		t.Fatal(err)
	}
	return b.String(), mw.FormDataContentType()
}

// upload sends a form.
func (g *gate) upload(path string, fields ...string) reply {
	g.t.Helper()
	body, kind := formBody(g.t.(*testing.T), fields...)
	rq := g.request(g.t.Context(), path, strings.NewReader(body))
	rq.Header.Set("Content-Type", kind)
	resp, err := g.client.Do(rq)
	if err != nil {
		g.t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	return reply{resp.StatusCode, resp.Header, string(b), err}
}

// echoForm answers a transcription with what the form holds.
func echoForm(w http.ResponseWriter, r *http.Request) {
	if err := r.ParseMultipartForm(8 << 20); err != nil {
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	f, _, err := r.FormFile("file")
	if err != nil {
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	content, _ := io.ReadAll(f)
	says(`{"text":"`+r.FormValue("model")+" "+r.FormValue("language")+" "+string(content[:4])+
		`","usage":{"type":"tokens","input_tokens":14,"input_token_details":{"audio_tokens":10},"output_tokens":4,"total_tokens":18}}`)(w, r)
}

// TestTranscription sends forms with the model before and behind the file: its name alone changes on the way.
func TestTranscription(t *testing.T) {
	t.Parallel()
	b := serveBackend(t, echoForm)
	g := start(t, "providers:\n"+provide("p", "openai", b.URL+"/v1")+"models:\n  ears: {targets: [p/whisper-9]}\n")
	f := func(fields ...string) {
		t.Helper()
		rp := g.upload("/audio/transcriptions", fields...)
		if rp.status != 200 || !strings.Contains(rp.body, "whisper-9 de RIFF") {
			t.Fatalf("%d %s", rp.status, rp.body)
		}
		got := b.took()[0]
		if want, _ := formBody(t, fields...); len(got.body) != len(want)+len("whisper-9")-len("ears") || got.header.Get("Content-Length") == "" {
			t.Errorf("the provider got %d bytes of length %q, the client sent %d", len(got.body), got.header.Get("Content-Length"), len(want))
		}
		if got.path != "/v1/audio/transcriptions" || got.header.Get("Authorization") != "Bearer sk-provider" {
			t.Errorf("the provider was asked %s as %q", got.path, got.header.Get("Authorization"))
		}
		row := g.row(rp)
		if row.Op != "transcription" || row.Usage.Input != 14 || row.Usage.Output != 4 {
			t.Errorf("the row has %s %+v", row.Op, row.Usage)
		}
	}
	f("model", "ears", "language", "de", "file", "RIFF1")
	f("language", "de", "file", "RIFF2\r\n--not the boundary\r\n", "model", "ears")
	f("model", "ears", "language", "de", "file", "RIFF"+strings.Repeat("x", 3<<20))

	refused := func(status int, says string, fields ...string) {
		t.Helper()
		rp := g.upload("/audio/transcriptions", fields...)
		if rp.status != status || !strings.Contains(rp.body, says) {
			t.Errorf("%.60q: %d %s; want %d with %q", fields, rp.status, rp.body, status, says)
		}
	}
	refused(400, "model is missing", "file", "RIFF")
	refused(400, "twice", "model", "ears", "model", "p/other", "file", "RIFF")
	refused(400, "first 1 MiB", "file", "RIFF"+strings.Repeat("x", 2<<20), "model", "ears")
	refused(400, "twice", "model", "ears", "file", strings.Repeat("x", 100<<10), "model", "p/other")
	if rp := g.post("/audio/transcriptions", `{"model":"ears"}`); rp.status != 400 || !strings.Contains(rp.body, "multipart/form-data") {
		t.Errorf("JSON: %d %s", rp.status, rp.body)
	}
}

// TestUploadIsNotKept proves that a file is streamed through: the provider has the first megabyte before the client sends the last.
func TestUploadIsNotKept(t *testing.T) {
	t.Parallel()
	const size = 1 << 20
	arrived := make(chan struct{}) // closed by the provider
	b := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if _, err := io.CopyN(io.Discard, r.Body, size); err != nil {
			t.Error(err)
		}
		close(arrived)
		rest, err := io.Copy(io.Discard, r.Body)
		if err != nil || rest < size {
			t.Errorf("%d more bytes, %v", rest, err)
		}
		says(`{"text":"done"}`)(w, r)
	}))
	t.Cleanup(b.Close)
	g := start(t, "providers:\n"+provide("p", "openai", b.URL+"/v1"))
	body, kind := formBody(t, "model", "p/whisper-1", "file", strings.Repeat("x", 3*size))
	pr, pw := io.Pipe()
	rq := g.request(t.Context(), "/audio/transcriptions", pr)
	rq.Header.Set("Content-Type", kind)
	go func() { // ends with the request's body
		_, _ = io.WriteString(pw, body[:2*size])
		select {
		case <-arrived:
			_, _ = io.WriteString(pw, body[2*size:])
			_ = pw.Close()
		case <-time.After(soon):
			_ = pw.CloseWithError(errors.New("the provider has not had the first megabyte"))
		}
	}()
	resp, err := g.client.Do(rq)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if b, _ := io.ReadAll(resp.Body); resp.StatusCode != 200 || string(b) != `{"text":"done"}` {
		t.Errorf("%d %s", resp.StatusCode, b)
	}
}

// TestUploadAborted has the client leave in the middle of its file: the provider's connection ends at once.
func TestUploadAborted(t *testing.T) {
	t.Parallel()
	arrived, ended := make(chan struct{}), make(chan error, 1)
	b := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.CopyN(io.Discard, r.Body, 1<<10)
		close(arrived)
		_, err := io.Copy(io.Discard, r.Body)
		ended <- err
	}))
	t.Cleanup(b.Close)
	g := start(t, "providers:\n"+provide("p", "openai", b.URL+"/v1"))
	body, kind := formBody(t, "model", "p/whisper-1", "file", strings.Repeat("x", 1<<20))
	pr, pw := io.Pipe()
	ctx, leave := context.WithCancel(t.Context())
	rq := g.request(ctx, "/audio/transcriptions", pr)
	rq.Header.Set("Content-Type", kind)
	go func() { // ends with the request
		_, _ = io.WriteString(pw, body[:512<<10])
		<-arrived
		leave()
		_ = pw.CloseWithError(context.Canceled) // net/http waits for a read that is under way
	}()
	if resp, err := g.client.Do(rq); err == nil {
		resp.Body.Close()
		t.Error("the request has an answer")
	}
	select {
	case err := <-ended:
		if err == nil {
			t.Error("the provider took the body for whole")
		}
	case <-time.After(soon):
		t.Error("the provider waits for the rest of the body")
	}
	rows := g.rows()
	if len(rows) != 1 || rows[0].Code != "client_closed_request" {
		t.Errorf("rows: %+v", rows)
	}
}

// TestUploadFailsOver goes to the next target while nothing of the file has been sent, and not once it has.
func TestUploadFailsOver(t *testing.T) {
	t.Parallel()
	down := httptest.NewServer(nil)
	down.Close() // its address refuses connections
	b := serveBackend(t, echoForm)
	busy := serveBackend(t, func(w http.ResponseWriter, r *http.Request) { w.WriteHeader(http.StatusServiceUnavailable) })
	g := start(t, "providers:\n"+provide("a", "openai", down.URL)+provide("b", "openai", b.URL)+provide("c", "openai", busy.URL)+
		"models:\n  ears: {targets: [a/whisper-1, b/whisper-9]}\n  deaf: {targets: [c/whisper-1, b/whisper-1]}\n")
	rp := g.upload("/audio/transcriptions", "model", "ears", "language", "de", "file", "RIFF"+strings.Repeat("x", 1<<20))
	if rp.status != 200 || !strings.Contains(rp.body, "whisper-9 de RIFF") || rp.header.Get("X-Sluice-Attempts") != "2" {
		t.Errorf("%d, %q attempts: %s", rp.status, rp.header.Get("X-Sluice-Attempts"), rp.body)
	}
	if rp = g.upload("/audio/transcriptions", "model", "deaf", "file", "RIFF"+strings.Repeat("x", 1<<20)); rp.status != 503 || rp.header.Get("X-Sluice-Attempts") != "1" {
		t.Errorf("after the file was sent: %d, %q attempts: %s", rp.status, rp.header.Get("X-Sluice-Attempts"), rp.body)
	}
}

// TestUploadTooLarge cuts a body off at max_upload.
func TestUploadTooLarge(t *testing.T) {
	t.Parallel()
	b := serveBackend(t, echoForm)
	g := start(t, "max_upload: 100KiB\nproviders:\n"+provide("p", "openai", b.URL+"/v1"))
	rp := g.upload("/audio/transcriptions", "model", "p/whisper-1", "file", strings.Repeat("x", 200<<10))
	if rp.status != 413 || !strings.Contains(rp.body, "max_upload") {
		t.Errorf("%d %s", rp.status, rp.body)
	}
}

// events returns a handler that sends an event stream, and breaks it off after that if cut says so.
func events(cut bool, data ...string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream")
		for _, d := range data {
			_, _ = io.WriteString(w, "data: "+d+"\n\n")
			w.(http.Flusher).Flush()
		}
		if cut {
			panic(http.ErrAbortHandler)
		}
	}
}

// TestTranscriptionEvents passes event streams on, byte for byte, with their usage in the ledger.
func TestTranscriptionEvents(t *testing.T) {
	t.Parallel()
	const delta = `{"type":"transcript.text.delta","delta":"hel"}`
	const done = `{"type":"transcript.text.done","text":"hello","usage":{"type":"tokens","input_tokens":9,"output_tokens":2,"total_tokens":11}}`
	b := serveBackend(t, events(false, delta, done))
	g := start(t, "providers:\n"+provide("p", "openai", b.URL+"/v1")+"models:\n  m: {targets: [p/whisper-1], retry: {attempts: 1}}\n")
	ask := func() reply {
		return g.upload("/audio/transcriptions", "model", "m", "stream", "true", "file", "RIFF")
	}
	rp := ask()
	if want := "data: " + delta + "\n\ndata: " + done + "\n\n"; rp.status != 200 || rp.body != want || rp.err != nil {
		t.Errorf("%d %v %q, want %q", rp.status, rp.err, rp.body, want)
	}
	if row := g.row(rp); row.Usage.Input != 9 || row.Usage.Output != 2 || row.Code != "" {
		t.Errorf("the row has %+v %s", row.Usage, row.Code)
	}
	for _, cut := range []bool{false, true} {
		b.answer = events(cut, delta)
		rp = ask() // the end may be seen together with the event, before anything has gone to the client
		if rp.status != 200 && rp.status != 502 || !strings.Contains(rp.body, "provider_truncated") {
			t.Errorf("cut %v: %d %q", cut, rp.status, rp.body)
		}
		if row := g.row(rp); row.Code != "provider_truncated" {
			t.Errorf("cut %v: the row has code %q", cut, row.Code)
		}
	}
	b.answer = events(false, `{"error":{"message":"no","type":"server_error"}}`)
	if rp = ask(); rp.status != 502 {
		t.Errorf("an error first: %d %q", rp.status, rp.body)
	}
}

// TestSpeech passes sound on as it comes, and never takes a part of it for the whole.
func TestSpeech(t *testing.T) {
	t.Parallel()
	heard := make(chan struct{}) // closed by the client
	b := serveBackend(t, nil)
	b.answer = func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "audio/mpeg")
		_, _ = io.WriteString(w, "\xff\xfbfirst")
		w.(http.Flusher).Flush()
		select {
		case <-heard:
		case <-time.After(soon):
			t.Error("the client does not hear the beginning")
		}
		_, _ = io.WriteString(w, "last")
	}
	g := start(t, "providers:\n"+provide("p", "openai", b.URL+"/v1"))
	const rq = `{"model":"p/tts-1","input":"hello","voice":"alloy"}`
	resp := g.open(t.Context(), "/audio/speech", rq)
	first := make([]byte, 7)
	if _, err := io.ReadFull(resp.Body, first); err != nil || string(first) != "\xff\xfbfirst" || resp.Header.Get("Content-Type") != "audio/mpeg" {
		t.Errorf("%q %v, %s", first, err, resp.Header.Get("Content-Type"))
	}
	close(heard)
	if rest, err := io.ReadAll(resp.Body); err != nil || string(rest) != "last" {
		t.Errorf("%q %v", rest, err)
	}
	resp.Body.Close()
	if got := b.took()[0]; got.body != strings.Replace(rq, "p/tts-1", "tts-1", 1) {
		t.Errorf("the provider was asked %s", got.body)
	}

	b.answer = func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "audio/mpeg")
		_, _ = io.WriteString(w, "half")
		w.(http.Flusher).Flush()
		panic(http.ErrAbortHandler)
	}
	resp = g.open(t.Context(), "/audio/speech", rq)
	if got, err := io.ReadAll(resp.Body); err == nil {
		t.Errorf("a cut answer looks whole to the client: %q", got)
	}
	resp.Body.Close()
	for _, row := range g.rows() {
		if row.Priced {
			t.Errorf("speech has a price in tokens: %+v", row)
		}
	}
}

// TestImages generates a picture, whole and streamed, and edits one.
func TestImages(t *testing.T) {
	t.Parallel()
	const whole = `{"created":1,"data":[{"b64_json":"AAAA"}],"usage":{"input_tokens":5,"output_tokens":100,"total_tokens":105}}`
	b := serveBackend(t, says(whole))
	g := start(t, "providers:\n"+provide("p", "openai", b.URL+"/v1"))
	rp := g.post("/images/generations", `{"model":"p/gpt-image-1","prompt":"a cat","n":1}`)
	if rp.status != 200 || rp.body != whole {
		t.Errorf("%d %s", rp.status, rp.body)
	}
	if row := g.row(rp); row.Op != "image_generation" || row.Usage.Output != 100 {
		t.Errorf("the row has %s %+v", row.Op, row.Usage)
	}
	b.took()
	rp = g.upload("/images/edits", "model", "p/gpt-image-1", "prompt", "a dog", "file", "PNG")
	if got := b.took(); rp.status != 200 || got[0].path != "/v1/images/edits" || !strings.Contains(got[0].body, "\r\n\r\ngpt-image-1\r\n") {
		t.Errorf("%d %s", rp.status, rp.body)
	}
	const part, done = `{"type":"image_generation.partial_image","b64_json":"AA"}`, `{"type":"image_generation.completed","b64_json":"AAAA","usage":{"input_tokens":5,"output_tokens":100}}`
	b.answer = events(false, part, done)
	rp = g.post("/images/generations", `{"model":"p/gpt-image-1","prompt":"a cat","stream":true}`)
	if rp.status != 200 || rp.body != "data: "+part+"\n\ndata: "+done+"\n\n" {
		t.Errorf("%d %q", rp.status, rp.body)
	}
	if got := b.took(); strings.Contains(got[0].body, "stream_options") {
		t.Errorf("the provider was asked %s", got[0].body)
	}
	if row := g.row(rp); row.Usage.Output != 100 {
		t.Errorf("the row has %+v", row.Usage)
	}
}

// TestUploadStalls has a client that sends half of its file and then nothing, until the call's time is over: the call ends then, and
// not when the client is given up.
func TestUploadStalls(t *testing.T) {
	t.Parallel()
	b := serveBackend(t, echoForm)
	g := start(t, "providers:\n"+provide("p", "openai", b.URL+"/v1"))
	body, kind := formBody(t, "model", "p/whisper-1", "file", strings.Repeat("x", 1<<20))
	pr, pw := io.Pipe()
	rq := g.request(t.Context(), "/audio/transcriptions", pr, "X-Sluice-Deadline", "1s")
	rq.Header.Set("Content-Type", kind)
	ended := make(chan struct{}) // closed here
	go func() {                  // ends with the request
		_, _ = io.WriteString(pw, body[:512<<10])
		<-ended
		_ = pw.CloseWithError(io.ErrUnexpectedEOF)
	}()
	resp, err := g.client.Do(rq)
	close(ended)
	if err == nil { // the connection may be gone before the client has read its answer
		resp.Body.Close()
	}
	rows := g.rows()
	if len(rows) != 1 || rows[0].Code != "total_timeout" || rows[0].Total > soon {
		t.Errorf("rows: %+v", rows)
	}
}

// TestUploadAndAnswerAtOnce: a provider may begin to answer while it still reads. The client has what it says, and the provider gets all of
// the body.
func TestUploadAndAnswerAtOnce(t *testing.T) {
	t.Parallel()
	const size = 100 << 10
	b := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if err := http.NewResponseController(w).EnableFullDuplex(); err != nil {
			t.Error(err)
		}
		n, _ := io.CopyN(io.Discard, r.Body, size)
		w.Header().Set("Content-Type", "text/plain")
		send(w, "begun ")
		rest, err := io.Copy(io.Discard, r.Body)
		send(w, fmt.Sprint(n+rest, " bytes ", err))
	}))
	t.Cleanup(b.Close)
	g := start(t, "providers:\n"+provide("p", "openai", b.URL+"/v1"))
	g.url = strings.TrimSuffix(g.url, "/v1")
	pr, pw := io.Pipe()
	rq := g.request(t.Context(), "/p/p/realtime", pr)
	rq.Header.Set("Content-Type", "audio/wav")
	begun := make(chan struct{}) // closed when the client has the first of the answer
	go func() {                  // ends with the request's body
		_, _ = io.WriteString(pw, strings.Repeat("x", size))
		select {
		case <-begun:
		case <-time.After(soon):
			t.Error("nothing of the answer arrives while the body is sent")
		}
		_, _ = io.WriteString(pw, strings.Repeat("x", 2*size))
		_ = pw.Close()
	}()
	resp, err := g.client.Do(rq)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	first := make([]byte, len("begun "))
	if _, err := io.ReadFull(resp.Body, first); err != nil {
		t.Error(err)
	}
	close(begun)
	if rest, err := io.ReadAll(resp.Body); err != nil || string(rest) != fmt.Sprint(3*size, " bytes <nil>") {
		t.Errorf("%q %v", rest, err)
	}
}
