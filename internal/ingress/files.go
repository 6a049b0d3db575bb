package ingress

import (
	"context"
	"encoding/json"
	"errors"
	"mime"
	"net/http"
	"strconv"
	"strings"
	"time"

	"sluice/internal/file"
	"sluice/internal/llm"
)

// files keeps what clients upload; see store.Store. Errors are those of package file, or of a database that does not answer.
type files interface {
	file.Keeper
	File(ctx context.Context, key, id string, now time.Time) (file.File, error)
	Files(ctx context.Context, key string, p file.Page, now time.Time) (all []file.File, more bool, err error)
	DeleteFile(ctx context.Context, key, id string, now time.Time) error
}

// maxFileList is how many files a list has at most, and by default, as at OpenAI (openai-go v3.95, 2026-11).
const maxFileList = 10000

// findFiles returns what is at a path of the Files API, given below its version.
func findFiles(path string) entry {
	en := entry{front: llm.OpenAI, path: path}
	rest, _ := strings.CutPrefix(path, "/files")
	id, what, deeper := strings.Cut(strings.TrimPrefix(rest, "/"), "/")
	switch {
	case rest == "":
		en.serve = (*Server).fileList
	case rest[0] != '/', id == "":
		// Nothing is there.
	case !deeper:
		en.serve, en.id = (*Server).oneFile, id
	case what == "content":
		en.serve, en.id = (*Server).fileContent, id
	}
	return en
}

// fileList answers at /files: with a page of the files of a key, or by taking another.
func (s *Server) fileList(w http.ResponseWriter, r *http.Request, en *entry) {
	if r.Method == http.MethodPost {
		s.upload(w, r, en)
		return
	}
	key, e := s.fileOwner(w, r, http.MethodGet, "GET, POST")
	var page file.Page
	if e == nil {
		page, e = filePage(r)
	}
	var all []file.File
	more := false
	if e == nil && s.files != nil {
		var err error
		if all, more, err = s.files.Files(r.Context(), key, page, time.Now()); err != nil {
			e = fileFault(err, "")
		}
	}
	if e != nil {
		s.refuse(w, r, en, e)
		return
	}
	list := fileListJSON{Object: "list", Data: make([]fileJSON, len(all)), HasMore: more}
	for i := range all {
		list.Data[i] = fileObject(&all[i])
	}
	if len(all) > 0 {
		list.FirstID, list.LastID = &all[0].ID, &all[len(all)-1].ID
	}
	s.answer(w, en, list)
}

func filePage(r *http.Request) (file.Page, *llm.Error) {
	q := r.URL.Query()
	page := file.Page{Purpose: q.Get("purpose"), After: q.Get("after"), Limit: maxFileList}
	if v := q.Get("limit"); v != "" {
		n, err := strconv.Atoi(v)
		if err != nil || n < 1 || n > maxFileList {
			return page, badQuery("limit", v, "from 1 to "+strconv.Itoa(maxFileList))
		}
		page.Limit = n
	}
	if page.After != "" && !file.IsID(page.After) {
		return page, badQuery("after", page.After, "the id of a file that a list of this gateway had")
	}
	switch v := q.Get("order"); v {
	case "", "desc":
	case "asc":
		page.Asc = true
	default:
		return page, badQuery("order", v, "asc or desc")
	}
	return page, nil
}

// oneFile answers GET and DELETE of one file.
func (s *Server) oneFile(w http.ResponseWriter, r *http.Request, en *entry) {
	if r.Method != http.MethodDelete {
		if f, e := s.lookUpFile(w, r, en, "GET, DELETE"); e != nil {
			s.refuse(w, r, en, e)
		} else {
			s.answer(w, en, fileObject(&f))
		}
		return
	}
	key, e := s.owner(r)
	if e == nil {
		err := error(file.ErrNotFound)
		if s.files != nil {
			err = s.files.DeleteFile(r.Context(), key, en.id, time.Now())
		}
		if err != nil {
			e = fileFault(err, en.id)
		}
	}
	if e != nil {
		s.refuse(w, r, en, e)
		return
	}
	s.answer(w, en, struct {
		ID      string `json:"id"`
		Object  string `json:"object"`
		Deleted bool   `json:"deleted"`
	}{en.id, "file", true})
}

// fileContent answers with the bytes of a file, chunk by chunk. A browser must not take them for a page of this address, whatever a
// client has uploaded: keys can stand in a URL.
func (s *Server) fileContent(w http.ResponseWriter, r *http.Request, en *entry) {
	f, e := s.lookUpFile(w, r, en, http.MethodGet)
	if e != nil {
		s.refuse(w, r, en, e)
		return
	}
	rp := reply{w: w, stall: s.settings.Load().Clients.WriteStall, codec: en.codec()}
	begin := func() {
		h := w.Header()
		h.Set("Content-Type", f.MIME)
		h.Set("Content-Length", strconv.FormatInt(f.Bytes, 10))
		h.Set("Content-Disposition", mime.FormatMediaType("attachment", map[string]string{"filename": f.Name}))
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Content-Security-Policy", "sandbox")
		rp.BeginStatus(http.StatusOK)
	}
	err := file.Each(r.Context(), s.files, &f, func(chunk []byte) error {
		if !rp.begun {
			begin() // the first chunk is there: what goes wrong before it can be told
		}
		if e := rp.Write(chunk); e != nil {
			return e
		}
		return nil
	})
	switch {
	case err == nil && !rp.begun: // an empty file
		begin()
	case err != nil && !rp.begun:
		s.refuse(w, r, en, fileFault(err, en.id))
	case err != nil:
		rp.cut = true
		rp.end()
	}
}

// lookUpFile returns the file that a GET's path names, of the key that it presents.
func (s *Server) lookUpFile(w http.ResponseWriter, r *http.Request, en *entry, allowed string) (file.File, *llm.Error) {
	key, e := s.fileOwner(w, r, http.MethodGet, allowed)
	if e != nil {
		return file.File{}, e
	}
	if s.files == nil {
		return file.File{}, fileFault(file.ErrNotFound, en.id)
	}
	f, err := s.files.File(r.Context(), key, en.id, time.Now())
	if err != nil {
		return f, fileFault(err, en.id)
	}
	return f, nil
}

// fileOwner returns the name of the key that a request of one method presents.
func (s *Server) fileOwner(w http.ResponseWriter, r *http.Request, method, allowed string) (string, *llm.Error) {
	if r.Method != method {
		w.Header().Set("Allow", allowed)
		return "", methodError(r, allowed)
	}
	return s.owner(r)
}

// fileFault classifies what the store says about one file.
func fileFault(err error, id string) *llm.Error {
	if errors.Is(err, file.ErrNotFound) {
		e := llm.Errorf(llm.KindNoFile, "No such File object: %.80s. This gateway keeps no such file for this key; files of a provider are at /p/{provider}/v1/files", id)
		e.Param = "id"
		return e
	}
	return &llm.Error{Kind: llm.KindStore, Message: "uploaded files cannot be read", Err: err}
}

// fileJSON is OpenAI's File object (PROVIDERS.md 1.5, 2026-11). A file that is seen is processed: its status is always this.
type fileJSON struct {
	ID        string `json:"id"`
	Object    string `json:"object"`
	Bytes     int64  `json:"bytes"`
	CreatedAt int64  `json:"created_at"`
	ExpiresAt int64  `json:"expires_at"`
	Filename  string `json:"filename"`
	Purpose   string `json:"purpose"`
	Status    string `json:"status"`
}

type fileListJSON struct {
	Object  string     `json:"object"`
	Data    []fileJSON `json:"data"`
	FirstID *string    `json:"first_id"`
	LastID  *string    `json:"last_id"`
	HasMore bool       `json:"has_more"`
}

func fileObject(f *file.File) fileJSON {
	return fileJSON{
		ID: f.ID, Object: "file", Bytes: f.Bytes, CreatedAt: f.Created.Unix(), ExpiresAt: f.Expires.Unix(), Filename: f.Name, Purpose: f.Purpose, Status: "processed",
	}
}

// answer sends an object that is made here.
func (s *Server) answer(w http.ResponseWriter, en *entry, v any) {
	body, err := json.Marshal(v)
	if err != nil {
		panic("BUG: " + err.Error())
	}
	rp := reply{w: w, stall: s.settings.Load().Clients.WriteStall, codec: en.codec()}
	rp.Whole(http.StatusOK, body)
}
