package gateway

import (
	"errors"
	"io"
	"sync/atomic"
	"testing"

	"sluice/internal/wire"
)

// counted is a body that counts who reads it.
type counted struct{ reads atomic.Int64 }

func (c *counted) Read([]byte) (int, error) {
	c.reads.Add(1)
	return 0, io.EOF
}

// TestUploadIsReadByOneAttempt: once an attempt is over it reads nothing of the body, or the upload counts as used. The two sides are
// let loose on each other many times.
func TestUploadIsReadByOneAttempt(t *testing.T) {
	t.Parallel()
	for range 20_000 {
		rest := &counted{}
		u := NewUpload(nil, wire.Span{}, rest, func() {}, -1, "")
		body, _ := u.body("m", func() {})
		begin, read := make(chan struct{}), make(chan error, 1)
		go func() { // ends with its send
			close(begin)
			_, err := body.Read(make([]byte, 1))
			read <- err
		}()
		<-begin
		_ = body.Close()
		used := u.used() // as the road asks before it makes another attempt
		if err := <-read; rest.reads.Load() > 0 && !used || rest.reads.Load() == 0 && !errors.Is(err, errClosed) {
			t.Fatalf("read %d times, %v, and the upload counts as used: %v", rest.reads.Load(), err, used)
		}
	}
}
