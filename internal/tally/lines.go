package tally

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"runtime"

	"golang.org/x/sync/errgroup"
)

// Bounds on what Lines holds in memory: a group of lines, and a longest line.
const (
	groupLines = 512
	groupBytes = 4 << 20
	// MaxLine is the longest line of a file that is read, in bytes.
	MaxLine = 32 << 20
)

// ErrLineTooLong is the error of a line over MaxLine. Its bytes are passed over.
var ErrLineTooLong = fmt.Errorf("the line has more than %d bytes", MaxLine)

// Line is one line of a file, read and worked on.
type Line[T any] struct {
	Number int64 // from 1
	Err    error // the line cannot be read as a request
	Result T     // of work
}

// Lines reads requests from a file, one a line, works on several at once, and hands the results to each in the order of the file.
// Empty lines are passed over. What is held in memory is a group of lines, not the file. An error of reading or of each ends it,
// as does ctx; a line that is no request does not, but is handed on with its error.
func Lines[T any](ctx context.Context, src io.Reader, work func(*Prompt) T, each func(Line[T]) error) error {
	r := bufio.NewReaderSize(src, 64<<10)
	number := int64(0)
	for {
		group, err := readGroup(r, &number)
		if err != nil && !errors.Is(err, io.EOF) {
			return fmt.Errorf("read line %d: %w", number+1, err)
		}
		results := make([]Line[T], len(group))
		var g errgroup.Group
		g.SetLimit(runtime.GOMAXPROCS(0))
		for i, l := range group {
			g.Go(func() error {
				results[i] = workOn(l, work)
				return ctx.Err()
			})
		}
		if err := g.Wait(); err != nil {
			return context.Cause(ctx)
		}
		for _, l := range results {
			if err := each(l); err != nil {
				return err
			}
		}
		if err != nil {
			return nil
		}
	}
}

func workOn[T any](l rawLine, work func(*Prompt) T) Line[T] {
	out := Line[T]{Number: l.number, Err: l.err}
	if out.Err != nil {
		return out
	}
	p, err := ReadLine(l.text)
	if err != nil {
		out.Err = err
		return out
	}
	out.Result = work(p)
	return out
}

type rawLine struct {
	number int64
	text   []byte
	err    error
}

// readGroup reads lines up to the bounds of a group. The error is that of reading, io.EOF at the end; lines may come with it.
func readGroup(r *bufio.Reader, number *int64) ([]rawLine, error) {
	var group []rawLine
	size := 0
	for len(group) < groupLines && size < groupBytes {
		text, tooLong, err := readLine(r)
		if err != nil && (!errors.Is(err, io.EOF) || len(text) == 0 && !tooLong) {
			return group, err
		}
		*number++
		switch {
		case tooLong:
			group = append(group, rawLine{number: *number, err: ErrLineTooLong})
		case len(bytes.TrimSpace(text)) > 0:
			group = append(group, rawLine{number: *number, text: text})
			size += len(text)
		}
		if err != nil {
			return group, err
		}
	}
	return group, nil
}

// readLine reads one line of any length, and keeps no more than MaxLine of it.
func readLine(r *bufio.Reader) (text []byte, tooLong bool, err error) {
	for {
		piece, err := r.ReadSlice('\n')
		if !tooLong {
			text = append(text, piece...)
		}
		if len(text) > MaxLine {
			text, tooLong = nil, true
		}
		if !errors.Is(err, bufio.ErrBufferFull) {
			return text, tooLong, err
		}
	}
}
