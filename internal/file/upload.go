package file

import (
	"context"
	"fmt"
	"io"
	"mime"
	"net/http"
	"path"
	"strings"
	"time"
)

// Upload is a file on its way into a Keeper. It belongs to one goroutine. Finish or Abort must follow.
type Upload struct {
	keeper Keeper
	file   File
	config Config
	chunks int    // that are stored
	head   []byte // the first bytes, to tell the type by
	buf    []byte // what is not stored yet
}

// sniffed is how many bytes of a file tell its type (http.DetectContentType looks at no more).
const sniffed = 512

// firstBuffer is the memory that an upload begins with.
const firstBuffer = 32 << 10

// Begin begins an upload under an id that nobody else uses, for an owner.
func Begin(ctx context.Context, k Keeper, id, key string, now time.Time, c Config) (*Upload, error) {
	if err := k.CreateFile(ctx, id, key, now); err != nil {
		return nil, err
	}
	return &Upload{keeper: k, config: c, file: File{ID: id, Key: key, Created: now}}, nil
}

// Receive stores all of r. It is called once. An error of r is returned as it is; others are ErrTooLarge, or those of Keeper.AppendFile.
func (u *Upload) Receive(ctx context.Context, r io.Reader) error {
	const full = batchChunks * ChunkSize
	u.buf = make([]byte, 0, firstBuffer)
	for {
		n, err := r.Read(u.buf[len(u.buf):cap(u.buf)])
		u.buf = u.buf[:len(u.buf)+n]
		u.file.Bytes += int64(n)
		if u.file.Bytes > u.config.MaxFile {
			return ErrTooLarge
		}
		if len(u.head) < sniffed {
			u.head = append(u.head, u.buf[len(u.head):min(len(u.buf), sniffed)]...)
		}
		if len(u.buf) == full || err == io.EOF {
			if err := u.flush(ctx); err != nil {
				return err
			}
		}
		switch {
		case err == io.EOF:
			u.buf = nil
			return nil
		case err != nil:
			return err
		case len(u.buf) == cap(u.buf):
			u.buf = append(make([]byte, 0, min(2*cap(u.buf), full)), u.buf...)
		}
	}
}

// flush stores what is in memory.
func (u *Upload) flush(ctx context.Context) error {
	if len(u.buf) == 0 {
		return nil
	}
	var chunks [][]byte
	for rest := u.buf; len(rest) > 0; {
		n := min(len(rest), ChunkSize)
		chunks, rest = append(chunks, rest[:n]), rest[n:]
	}
	if err := u.keeper.AppendFile(ctx, u.file.ID, u.chunks, chunks, time.Now(), u.config.MaxBytes); err != nil {
		return err
	}
	u.chunks += len(chunks)
	u.buf = u.buf[:0]
	return nil
}

// Bytes returns how much has been received.
func (u *Upload) Bytes() int64 { return u.file.Bytes }

// Finish makes the upload a file. stated is the type that the client gave, which may be empty; keep is how long it wants it kept, 0 for
// as long as can be.
func (u *Upload) Finish(ctx context.Context, name, purpose, stated string, keep time.Duration) (*File, error) {
	f := &u.file
	f.Name, f.Purpose, f.MIME = name, purpose, mimeType(stated, name, u.head)
	if keep <= 0 || keep > u.config.Retention {
		keep = u.config.Retention
	}
	f.Expires = f.Created.Add(keep)
	if err := u.keeper.FinishFile(ctx, f); err != nil {
		return nil, err
	}
	return f, nil
}

// Abort gives the upload up: nothing of it stays. If the Keeper fails, what is left goes when it is cleaned.
func (u *Upload) Abort(ctx context.Context) error {
	if err := u.keeper.RemoveFile(ctx, u.file.ID); err != nil {
		return fmt.Errorf("give up upload of %s: %w", u.file.ID, err)
	}
	return nil
}

// mimeType tells the type of a file: as the client says, by its name, or by how it begins. Many SDKs say application/octet-stream, which
// says nothing. The types of names are a list of our own, since that of the system differs between machines.
func mimeType(stated, name string, head []byte) string {
	if kind, _, err := mime.ParseMediaType(stated); err == nil && kind != "application/octet-stream" && strings.Contains(kind, "/") {
		return kind
	}
	if kind := typeOfName(name); kind != "" {
		return kind
	}
	kind, _, _ := strings.Cut(http.DetectContentType(head), ";")
	return kind
}

// typeOfName returns the type that a file's name says; empty if it says none.
func typeOfName(name string) string {
	switch strings.ToLower(path.Ext(name)) {
	case ".pdf":
		return "application/pdf"
	case ".txt", ".log":
		return "text/plain"
	case ".md":
		return "text/markdown"
	case ".csv":
		return "text/csv"
	case ".html", ".htm":
		return "text/html"
	case ".xml":
		return "application/xml"
	case ".json":
		return "application/json"
	case ".jsonl":
		return "application/jsonl"
	case ".png":
		return "image/png"
	case ".jpg", ".jpeg":
		return "image/jpeg"
	case ".gif":
		return "image/gif"
	case ".webp":
		return "image/webp"
	case ".mp3":
		return "audio/mpeg"
	case ".wav":
		return "audio/wav"
	case ".docx":
		return "application/vnd.openxmlformats-officedocument.wordprocessingml.document"
	case ".xlsx":
		return "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
	case ".pptx":
		return "application/vnd.openxmlformats-officedocument.presentationml.presentation"
	}
	return ""
}
