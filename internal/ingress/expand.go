package ingress

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"time"
	"unicode/utf8"

	"sluice/internal/dialect"
	"sluice/internal/file"
	"sluice/internal/llm"
	"sluice/internal/wire"
)

// maxFileRefs is how many different files one request may refer to.
const maxFileRefs = 100

// expand returns body with the files themselves where it refers to files that are kept for a key. All other bytes stay as they are,
// references to files that are not kept here too: a provider may know them. A body that refers to none is returned as it is.
func (s *Server) expand(ctx context.Context, body []byte, op llm.Op, codec *dialect.Codec, key string) ([]byte, *llm.Error) {
	if s.files == nil || op != llm.OpChat && op != llm.OpCountTokens || codec.FileRefs == nil || !bytes.Contains(body, []byte(file.Prefix)) {
		return body, nil
	}
	refs, kept, e := s.known(ctx, codec.FileRefs(body), key)
	if len(refs) == 0 || e != nil {
		return body, e
	}
	limit := s.settings.Load().MaxBody
	size := int64(len(body))
	forms := make([]wire.FileForm, len(refs))
	for i := range refs {
		f := kept[refs[i].ID]
		forms[i] = refs[i].Form(f.Name, f.MIME)
		if size += grown(&refs[i], &forms[i], f.Bytes); size > limit {
			return nil, expandedTooLarge(&refs[i], limit)
		}
	}
	ex := expansion{ctx: ctx, keeper: s.files, out: make([]byte, 0, size), limit: limit}
	from := 0
	for i := range refs {
		ref := &refs[i]
		ex.out = append(ex.out, body[from:ref.At.Start]...)
		if err := ex.add(&forms[i], kept[ref.ID]); err != nil {
			return nil, expandFault(err, ref, limit)
		}
		from = ref.At.End
	}
	if ex.out = append(ex.out, body[from:]...); int64(len(ex.out)) > limit {
		return nil, expandedTooLarge(&refs[len(refs)-1], limit)
	}
	return ex.out, nil
}

// grown returns how much longer a body gets by a file of a size. What has to be escaped of a text comes on top of it.
func grown(ref *wire.FileRef, form *wire.FileForm, size int64) int64 {
	if !form.Text {
		size = (size + 2) / 3 * 4
	}
	return size + int64(len(form.Before)+len(form.After)-ref.At.Len())
}

// known returns those of refs that lead to files of a key, and the files.
func (s *Server) known(ctx context.Context, refs []wire.FileRef, key string) (found []wire.FileRef, kept map[string]*file.File, e *llm.Error) {
	kept = map[string]*file.File{} // nil for those that are not there
	for _, ref := range refs {
		if !file.IsID(ref.ID) {
			continue
		}
		f, asked := kept[ref.ID]
		if !asked {
			if len(kept) == maxFileRefs {
				e := llm.Errorf(llm.KindBadRequest, "%s: the request refers to more than %d files", ref.Path, maxFileRefs)
				e.Param = ref.Path
				return nil, nil, e
			}
			one, err := s.files.File(ctx, key, ref.ID, time.Now())
			switch {
			case err == nil:
				f = &one
			case !errors.Is(err, file.ErrNotFound):
				return nil, nil, expandFault(err, &ref, 0)
			}
			kept[ref.ID] = f
		}
		if f != nil {
			found = append(found, ref)
		}
	}
	return found, kept, nil
}

var errExpanded = errors.New("the body with its files is over the limit")

// expandFault classifies what went wrong with putting a file into a body.
func expandFault(err error, ref *wire.FileRef, limit int64) *llm.Error {
	switch {
	case errors.Is(err, errExpanded):
		return expandedTooLarge(ref, limit)
	case errors.Is(err, file.ErrNotFound): // it was there a moment ago
		e := llm.Errorf(llm.KindBadRequest, "%s: the file %s was deleted meanwhile", ref.Path, ref.ID)
		e.Param = ref.Path
		return e
	}
	return &llm.Error{Kind: llm.KindStore, Message: "uploaded files cannot be read", Err: err}
}

func expandedTooLarge(ref *wire.FileRef, limit int64) *llm.Error {
	e := llm.Errorf(llm.KindTooLarge, "the body is over %d bytes (max_body) with the files that it refers to, those up to %s", limit, ref.Path)
	e.Param = ref.Path
	return e
}

// expansion makes a body that has files in it.
type expansion struct {
	ctx    context.Context // of the request; an expansion lives within one call of expand
	keeper file.Keeper
	out    []byte
	limit  int64
}

// Write implements io.Writer for the encoder of base64.
func (ex *expansion) Write(p []byte) (int, error) {
	if int64(len(ex.out)+len(p)) > ex.limit {
		return 0, errExpanded
	}
	ex.out = append(ex.out, p...)
	return len(p), nil
}

// add appends the object of a form with the file in it.
func (ex *expansion) add(form *wire.FileForm, f *file.File) error {
	if _, err := ex.Write(form.Before); err != nil {
		return err
	}
	var err error
	if form.Text {
		err = ex.text(f)
	} else {
		enc := base64.NewEncoder(base64.StdEncoding, ex)
		err = file.Each(ex.ctx, ex.keeper, f, func(chunk []byte) error {
			_, err := enc.Write(chunk)
			return err
		})
		err = errors.Join(err, enc.Close())
	}
	if err != nil {
		return err
	}
	_, err = ex.Write(form.After)
	return err
}

// text appends a file as the inside of a JSON string. A character may be cut in two by the end of a chunk: its beginning waits for
// the next one. What is no UTF-8 becomes U+FFFD.
func (ex *expansion) text(f *file.File) error {
	var rest, quoted []byte
	put := func(p []byte) error {
		quoted = wire.AppendString(quoted[:0], bytes.ToValidUTF8(p, []byte("\uFFFD")))
		_, err := ex.Write(quoted[1 : len(quoted)-1])
		return err
	}
	err := file.Each(ex.ctx, ex.keeper, f, func(chunk []byte) error {
		rest = append(rest, chunk...)
		whole := len(rest) - partial(rest)
		if err := put(rest[:whole]); err != nil {
			return err
		}
		rest = append(rest[:0], rest[whole:]...)
		return nil
	})
	if err != nil {
		return err
	}
	return put(rest)
}

// partial returns how many bytes at the end of p are the beginning of a character that goes on behind it.
func partial(p []byte) int {
	for n := 1; n < utf8.UTFMax && n <= len(p); n++ {
		if tail := p[len(p)-n:]; utf8.RuneStart(tail[0]) {
			if utf8.FullRune(tail) {
				return 0
			}
			return n
		}
	}
	return 0
}
