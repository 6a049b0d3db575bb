package ingress

import (
	"errors"
	"io"
	"mime"
	"net/http"
	"os"
	"sync/atomic"
	"time"

	"sluice/internal/gateway"
	"sluice/internal/llm"
	"sluice/internal/wire"
)

// incoming reads a body that is streamed through. Its errors are *llm.Error: what the client did.
type incoming struct {
	w    http.ResponseWriter
	r    *http.Request
	c    *Config
	left int64 // bytes until max_upload

	armed time.Time   // when the read deadline was set last
	ended atomic.Bool // the body has been read to its end
}

func newIncoming(w http.ResponseWriter, r *http.Request, c *Config) *incoming {
	return &incoming{w: w, r: r, c: c, left: c.MaxUpload}
}

// Read reads from the client. Each read may take clients.read_body: that bounds a silence, since a large body takes its time.
func (in *incoming) Read(p []byte) (int, error) {
	if now := time.Now(); now.Sub(in.armed) > in.c.Clients.ReadBody/4 {
		in.armed = now
		_ = http.NewResponseController(in.w).SetReadDeadline(now.Add(in.c.Clients.ReadBody)) // unsupported by some test writers only
	}
	n, err := in.r.Body.Read(p)
	if in.left -= int64(n); in.left < 0 {
		return 0, uploadTooLarge(in.c)
	}
	switch {
	case err == nil:
		return n, nil
	case err == io.EOF:
		in.ended.Store(true)
		_ = http.NewResponseController(in.w).SetReadDeadline(time.Time{})
		return n, io.EOF
	case errors.Is(err, os.ErrDeadlineExceeded) || isTimeout(err):
		return n, llm.Errorf(llm.KindSlowClient, "nothing of the body arrived for %v (clients.read_body)", in.c.Clients.ReadBody)
	case in.r.Context().Err() == nil && !lost(err):
		return n, llm.Errorf(llm.KindBadRequest, "the body cannot be read: %v", err) // bad chunks
	}
	return n, &llm.Error{Kind: llm.KindCanceled, Message: "the client closed the connection before its body was complete", Err: err}
}

// interrupt ends a read that is under way on the transport's goroutine. Nothing more can be read.
func (in *incoming) interrupt() { _ = http.NewResponseController(in.w).SetReadDeadline(time.Now()) }

// end lets go of a body that was not read to its end, so that net/http can close it.
func (in *incoming) end() {
	if !in.ended.Load() {
		in.interrupt()
	}
}

func uploadTooLarge(c *Config) *llm.Error {
	return llm.Errorf(llm.KindTooLarge, "the body is over %d bytes (max_upload)", c.MaxUpload)
}

// openForm reads the beginning of a form and makes an upload of it.
func (s *Server) openForm(x *gateway.Exchange, in *incoming) *llm.Error {
	r, c := in.r, in.c
	contentType := r.Header.Get("Content-Type")
	kind, params, err := mime.ParseMediaType(contentType)
	if err != nil || kind != "multipart/form-data" || params["boundary"] == "" {
		return llm.Errorf(llm.KindBadRequest, "the content type is %.100q; it must be multipart/form-data with a boundary", contentType)
	}
	if e := checkCoding(r); e != nil {
		return e
	}
	if r.ContentLength > c.MaxUpload {
		return uploadTooLarge(c)
	}
	f := newForm(params["boundary"])
	if e := f.look(in); e != nil {
		return e
	}
	x.Upload = gateway.NewUpload(f.head, f.model, f.rest(in), in.interrupt, r.ContentLength, contentType)
	return fill(&x.Call, &wire.Request{Model: f.name(), Choices: 1}, r.Header, x)
}
