// Package file is what Sluice keeps of files that clients upload, so that later calls can name them. It owns how they are cut into
// chunks, how long they are kept and how much they may take. Where they are kept is the business of a Keeper: a database, which all
// replicas see. No file is ever whole in memory here.
//
// It runs no goroutines: Clean is run by whoever has made the Keeper.
package file

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"strings"
	"time"
)

// Sizes of what is kept.
const (
	// ChunkSize is the size of each chunk of a file but the last, in bytes.
	ChunkSize = 256 << 10
	// Overhead is what each file counts for besides its bytes, so that many small ones have a bound too.
	Overhead = 4 << 10
	// batchChunks is how many chunks are stored at once: what an upload holds in memory.
	batchChunks = 4
	// IdleUpload is how long an upload may take to bring so much. One that takes longer counts as abandoned.
	IdleUpload = time.Hour
)

// Prefix is what the id of every file begins with.
const Prefix = "file-"

// Errors of what is kept.
var (
	ErrNotFound = errors.New("there is no such file")
	ErrFull     = errors.New("there is no room for more files")
	ErrTooLarge = errors.New("the file is too large")
)

// File is one uploaded file. Owners never see each other's.
type File struct {
	ID      string // Prefix and a ULID: later ones sort later
	Key     string // name of the owner's key; "" while the gateway is open
	Name    string // as the client gave it
	Purpose string
	MIME    string
	Bytes   int64
	Created time.Time
	Expires time.Time
}

// Page says which of an owner's files are listed. They are ordered by id, and so by the time of their making.
type Page struct {
	Purpose string // only those; "" for all
	After   string // id behind which the list begins; "" for its beginning
	Limit   int    // how many at most
	Asc     bool   // oldest first
}

// Keeper keeps files. Its methods are safe for concurrent use. A file that is being uploaded cannot be seen by File and its like before
// FinishFile; one that is removed, or has expired, cannot be seen any more.
type Keeper interface {
	// CreateFile begins an upload.
	CreateFile(ctx context.Context, id, key string, now time.Time) error
	// AppendFile stores the next chunks of an upload, of which there are first already. The error is ErrFull if all files would
	// take more than maxBytes, ErrNotFound if the upload has been given up. It does not keep the chunks.
	AppendFile(ctx context.Context, id string, first int, chunks [][]byte, now time.Time, maxBytes int64) error
	// FinishFile makes an upload a file, of that id.
	FinishFile(ctx context.Context, f *File) error
	// RemoveFile deletes a file or an upload with all that is kept of it. It is no error if there is none.
	RemoveFile(ctx context.Context, id string) error
	// FileChunk returns one chunk, counted from 0. The error is ErrNotFound if it is not there. The caller owns the bytes.
	FileChunk(ctx context.Context, id string, n int) ([]byte, error)
}

// IsID reports whether an id can be that of a file that is kept here: others' files have ids of other forms.
func IsID(id string) bool {
	rest, ok := strings.CutPrefix(id, Prefix)
	if !ok || len(rest) != 26 {
		return false
	}
	for i := range len(rest) {
		if !strings.Contains("0123456789ABCDEFGHJKMNPQRSTVWXYZ", rest[i:i+1]) {
			return false
		}
	}
	return true
}

// Each calls f with the contents of a file, chunk by chunk. Chunks are read one at a time, with nothing held in between, so f may
// take its time. An error of f ends it and is returned as it is; the error is ErrNotFound if the file is removed meanwhile.
func Each(ctx context.Context, k Keeper, file *File, f func(chunk []byte) error) error {
	left := file.Bytes
	for n := 0; left > 0; n++ {
		chunk, err := k.FileChunk(ctx, file.ID, n)
		if err != nil {
			return err
		}
		if want := min(left, ChunkSize); int64(len(chunk)) != want {
			return fmt.Errorf("read chunk %d of %s: it has %d bytes instead of %d", n, file.ID, len(chunk), want)
		}
		left -= int64(len(chunk))
		if err := f(chunk); err != nil {
			return err
		}
	}
	return nil
}

// cleaner removes what is not to be kept any longer. It is what Clean needs of a store.
type cleaner interface {
	// CleanFiles deletes files that have expired by now, uploads that were abandoned, and what is left of removals that were
	// interrupted. It returns how many it has deleted.
	CleanFiles(ctx context.Context, now time.Time) (int64, error)
}

// cleanEvery is how often Clean looks, more or less.
const cleanEvery = 5 * time.Minute

// Clean removes what is not to be kept any longer, now and then, until ctx ends. A store that fails is tried again: until it works,
// too much is kept.
func Clean(ctx context.Context, store cleaner, log *slog.Logger) {
	for {
		n, err := store.CleanFiles(ctx, time.Now())
		switch {
		case ctx.Err() != nil:
			return
		case err != nil:
			log.LogAttrs(ctx, slog.LevelWarn, "uploaded files cannot be cleaned up", slog.String("error", err.Error()))
		case n > 0:
			log.LogAttrs(ctx, slog.LevelInfo, "uploaded files deleted", slog.Int64("files", n))
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(cleanEvery + rand.N(cleanEvery/5)): // jittered: processes that share a database need not clean together
		}
	}
}
