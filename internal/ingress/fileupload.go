package ingress

import (
	"context"
	"errors"
	"io"
	"mime"
	"mime/multipart"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"sluice/internal/file"
	"sluice/internal/gateway"
	"sluice/internal/llm"
)

// Limits of the form of an upload, besides that of the file.
const (
	maxFormExtra = 1 << 20 // of the form, besides its file
	maxFormParts = 32
	maxFormField = 1 << 10 // of the value of a field
	maxFileName  = 255     // bytes that are kept of a name
)

// Limits of expires_after, as OpenAI has them (PROVIDERS.md 1.5, 2026-11).
const (
	minExpiry = 3600    // seconds
	maxExpiry = 2592000 // seconds
)

// cleanTime bounds the removal of what an upload has left that failed. What it does not manage, file.Clean does.
const cleanTime = 5 * time.Second

// filePurposes are what a client can say that a file is for.
func filePurposes() []string {
	return []string{"assistants", "batch", "fine-tune", "vision", "user_data", "evals"}
}

// upload takes a file. It is stored as it comes, and can be seen when all of the form is there and right.
func (s *Server) upload(w http.ResponseWriter, r *http.Request, en *entry) {
	c := s.settings.Load()
	in := newIncoming(w, r, c)
	in.left = c.Files.MaxFile + maxFormExtra
	defer in.end()
	f, e := s.receive(w, r, in, c)
	if e != nil {
		if !in.ended.Load() && r.ContentLength != 0 {
			w.Header().Set("Connection", "close") // what is left of the body is not read
		}
		s.refuse(w, r, en, e)
		return
	}
	s.answer(w, en, fileObject(f))
}

// receive checks an upload and stores it.
func (s *Server) receive(w http.ResponseWriter, r *http.Request, in *incoming, c *Config) (*file.File, *llm.Error) {
	var x gateway.Exchange
	if e := s.enter(&x, w, r); e != nil {
		return nil, e
	}
	if s.files == nil || c.Files.Retention == 0 {
		return nil, llm.Errorf(llm.KindBadRequest, "this gateway keeps no files (files.retention); files of a provider are at /p/{provider}/v1/files")
	}
	contentType := r.Header.Get("Content-Type")
	kind, params, err := mime.ParseMediaType(contentType)
	if err != nil || kind != "multipart/form-data" || params["boundary"] == "" {
		return nil, llm.Errorf(llm.KindBadRequest, "the content type is %.100q; it must be multipart/form-data with a boundary", contentType)
	}
	if r.ContentLength > in.left {
		return nil, fileTooLarge(c)
	}
	u := &fileForm{server: s, key: x.Call.Key, config: c}
	form := &formLimit{in, c}
	f, e := u.read(r.Context(), multipart.NewReader(form, params["boundary"]))
	if e == nil {
		_, _ = io.Copy(io.Discard, form) // what follows the form is nothing to anybody; the connection can be used again
		return f, nil
	}
	if u.upload != nil {
		limited, cancel := context.WithTimeout(context.WithoutCancel(r.Context()), cleanTime)
		defer cancel()
		_ = u.upload.Abort(limited) // file.Clean does the rest
	}
	return nil, e
}

// formLimit reads a body that is limited by what a file may have, and says so.
type formLimit struct {
	in *incoming
	c  *Config
}

func (l *formLimit) Read(p []byte) (int, error) {
	n, err := l.in.Read(p)
	if l.in.left < 0 {
		return 0, fileTooLarge(l.c)
	}
	return n, err
}

func fileTooLarge(c *Config) *llm.Error {
	e := llm.Errorf(llm.KindTooLarge, "the file is over %d bytes (files.max_file)", c.Files.MaxFile)
	e.Param = "file"
	return e
}

// fileForm is the form of an upload while it is read. SDKs differ in whether the file comes first.
type fileForm struct {
	server *Server
	key    string
	config *Config

	upload *file.Upload // once the file has begun
	name   string
	stated string // type of the file as the client gave it
	fields map[string]string
}

// read takes the form to its end.
func (u *fileForm) read(ctx context.Context, parts *multipart.Reader) (*file.File, *llm.Error) {
	u.fields = map[string]string{}
	for n := 0; ; n++ {
		part, err := parts.NextRawPart()
		if err == io.EOF {
			break
		}
		if err != nil {
			return nil, formFault(err)
		}
		if n == maxFormParts {
			return nil, llm.Errorf(llm.KindBadRequest, "the form has more than %d parts", maxFormParts)
		}
		e := u.field(part)
		if part.FormName() == "file" {
			e = u.file(ctx, part)
		}
		if e != nil {
			return nil, e
		}
	}
	keep, e := u.check()
	if e != nil {
		return nil, e
	}
	f, err := u.upload.Finish(ctx, u.name, u.fields["purpose"], u.stated, keep)
	if err != nil {
		return nil, u.storeFault(ctx, err)
	}
	return f, nil
}

// field reads a part that is not the file.
func (u *fileForm) field(part *multipart.Part) *llm.Error {
	name := part.FormName()
	switch name {
	case "purpose", "expires_after[anchor]", "expires_after[seconds]":
	default:
		return nil // it means nothing here
	}
	if _, twice := u.fields[name]; twice {
		return badField(name, "%s is there twice", name)
	}
	value, err := io.ReadAll(io.LimitReader(part, maxFormField+1))
	if err != nil {
		return formFault(err)
	}
	if len(value) > maxFormField {
		return badField(name, "%s is over %d bytes", name, maxFormField)
	}
	u.fields[name] = string(value)
	return nil
}

// file stores the part that is the file.
func (u *fileForm) file(ctx context.Context, part *multipart.Part) *llm.Error {
	if u.upload != nil {
		return badField("file", "file is there twice; upload one file at a time")
	}
	if u.name = part.FileName(); u.name == "" {
		return badField("file", "file has no filename: it must be sent as a file")
	}
	if len(u.name) > maxFileName {
		return badField("file", "the filename is over %d bytes", maxFileName)
	}
	u.stated = part.Header.Get("Content-Type")
	now := time.Now()
	var err error
	if u.upload, err = file.Begin(ctx, u.server.files, file.Prefix+newID(now), u.key, now, u.config.Files); err != nil {
		return u.storeFault(ctx, err)
	}
	read := &partReader{part: part}
	if err := u.upload.Receive(ctx, read); err != nil {
		if read.err != nil {
			return formFault(read.err)
		}
		return u.storeFault(ctx, err)
	}
	return nil
}

// partReader notes the error of a read, to tell it from those of the store.
type partReader struct {
	part *multipart.Part
	err  error
}

func (r *partReader) Read(p []byte) (int, error) {
	n, err := r.part.Read(p)
	if err != io.EOF {
		r.err = err
	}
	return n, err
}

// check looks at the whole form. It returns how long the client wants the file kept, 0 for as long as can be.
func (u *fileForm) check() (keep time.Duration, e *llm.Error) {
	purposes := filePurposes()
	anchor, anchored := u.fields["expires_after[anchor]"]
	seconds, limited := u.fields["expires_after[seconds]"]
	switch purpose, ok := u.fields["purpose"]; {
	case u.upload == nil:
		return 0, badField("file", "file is missing: the form has no part of this name")
	case u.upload.Bytes() == 0:
		return 0, badField("file", "the file is empty")
	case !ok:
		return 0, badField("purpose", "purpose is missing; it must be one of %s", strings.Join(purposes, ", "))
	case !slices.Contains(purposes, purpose):
		return 0, badField("purpose", "purpose is %.40q; it must be one of %s", purpose, strings.Join(purposes, ", "))
	case anchored && anchor != "created_at":
		return 0, badField("expires_after[anchor]", "expires_after[anchor] is %.40q; it must be created_at", anchor)
	case anchored != limited:
		return 0, badField("expires_after", "expires_after needs both anchor and seconds")
	case !limited:
		return 0, nil
	}
	n, err := strconv.Atoi(seconds)
	if err != nil || n < minExpiry || n > maxExpiry {
		return 0, badField("expires_after[seconds]", "expires_after[seconds] is %.40q; it must be from %d to %d", seconds, minExpiry, maxExpiry)
	}
	return time.Duration(n) * time.Second, nil
}

// storeFault classifies what went wrong with keeping an upload.
func (u *fileForm) storeFault(ctx context.Context, err error) *llm.Error {
	c := &u.config.Files
	switch {
	case errors.Is(err, file.ErrTooLarge):
		return fileTooLarge(u.config)
	case errors.Is(err, file.ErrFull):
		return llm.Errorf(llm.KindTooLarge, "there is no room for the file: all kept files together may take %d bytes (files.max_bytes); delete some, or wait until some expire", c.MaxBytes)
	case errors.Is(err, file.ErrNotFound):
		return llm.Errorf(llm.KindSlowClient, "the upload took too long: nothing of it could be stored for %v", file.IdleUpload)
	case ctx.Err() != nil:
		return &llm.Error{Kind: llm.KindCanceled, Message: "the client closed the connection before its file was stored", Err: err}
	}
	return &llm.Error{Kind: llm.KindStore, Message: "the file cannot be stored", Err: err}
}

// formFault classifies an error of reading a form.
func formFault(err error) *llm.Error {
	if e, ok := errors.AsType[*llm.Error](err); ok {
		return e
	}
	return llm.Errorf(llm.KindBadRequest, "the form cannot be read: %v", err)
}

func badField(name, format string, args ...any) *llm.Error {
	e := llm.Errorf(llm.KindBadRequest, format, args...)
	e.Param = name
	return e
}
