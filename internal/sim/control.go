package sim

import (
	"encoding/json"
	"io"
	"math"
	"net/http"
	"strings"
)

// introspect answers the simulator's own paths.
func (s *Server) introspect(w http.ResponseWriter, r *http.Request, path string) {
	if path == "/sim/echo" || strings.HasPrefix(path, "/sim/echo/") {
		s.echo(w, r)
		return
	}
	if s.command(w, r, path) {
		return
	}
	if r.Method != http.MethodGet {
		refuseMethod(r, http.MethodGet).send(w, s.now())
		return
	}
	var v any
	switch path {
	case "/sim/stats":
		v = s.Stats()
	case "/sim/requests":
		s.listRequests(w, r)
		return
	case "/sim/faults":
		v = s.FaultRules()
	case "/sim/faults/known":
		v = Faults()
	default:
		refuseURL(r).send(w, s.now())
		return
	}
	b, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		panic("BUG: counts cannot be encoded: " + err.Error())
	}
	sendJSON(w, append(b, '\n'))
}

// command answers the requests that change something. done is false for others.
func (s *Server) command(w http.ResponseWriter, r *http.Request, path string) (done bool) {
	switch {
	case path == "/sim/faults" && r.Method == http.MethodPost:
		s.replaceFaults(w, r)
		return true
	case path == "/sim/faults" && r.Method == http.MethodDelete:
		if err := s.SetFaults(nil); err != nil {
			panic("BUG: no rules are refused: " + err.Error())
		}
	case path != "/sim/reset" && path != "/sim/schedule/start":
		return false
	case r.Method != http.MethodPost:
		refuseMethod(r, http.MethodPost).send(w, s.now())
		return true
	case path == "/sim/reset":
		s.Reset()
	default:
		s.StartSchedule()
	}
	w.WriteHeader(http.StatusNoContent)
	return true
}

// maxRuleBytes bounds the body of POST /sim/faults.
const maxRuleBytes = 1 << 20

// replaceFaults answers POST /sim/faults: a list of rules, as GET gives it.
func (s *Server) replaceFaults(w http.ResponseWriter, r *http.Request) {
	var states []RuleState
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxRuleBytes))
	if err == nil {
		err = json.Unmarshal(body, &states)
	}
	if err != nil {
		refuseField("", "read list of fault rules: "+err.Error()).send(w, s.now())
		return
	}
	rules := make([]FaultRule, len(states))
	for i := range states {
		rules[i] = states[i].FaultRule
	}
	if err := s.SetFaults(rules); err != nil {
		refuseField("", err.Error()).send(w, s.now())
		return
	}
	w.WriteHeader(http.StatusNoContent)
}

// echo answers with what came in, and records it: what a relay hands on can be seen there.
func (s *Server) echo(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, s.cfg.MaxBody))
	if err != nil {
		return // the client is gone, or sends too much: the server closes the connection
	}
	s.book.note(r, http.StatusOK)
	b, err := json.Marshal(struct {
		Method string      `json:"method"`
		Path   string      `json:"path"`
		Query  string      `json:"query"`
		Header http.Header `json:"header"`
		Body   []byte      `json:"body"`
	}{r.Method, r.URL.Path, r.URL.RawQuery, r.Header, body})
	if err != nil {
		panic("BUG: an echo cannot be encoded: " + err.Error())
	}
	sendJSON(w, b)
}

// listRequests answers GET /sim/requests: the records in order of arrival, one a line. after=SEQ leaves out those up to a number,
// limit=N gives no more than so many, bodies=false leaves the bodies out.
func (s *Server) listRequests(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	var after, limit int64 = 0, math.MaxInt32
	for _, one := range []struct {
		key  string
		into *int64
	}{{"after", &after}, {"limit", &limit}} {
		text := q.Get(one.key)
		if text == "" {
			continue
		}
		n, err := number(text, 0)
		if err != nil {
			refuseField(one.key, one.key+": "+err.Error()).send(w, s.now())
			return
		}
		*one.into = n
	}
	w.Header().Set("Content-Type", "application/json")
	_, _ = io.WriteString(w, "[") // the client may be gone: nothing is left to tell it
	separator := "\n"
	for _, one := range s.book.since(uint64(after), int(limit)) {
		if q.Get("bodies") == "false" {
			one.Body = nil
		}
		b, err := json.Marshal(&one)
		if err != nil {
			panic("BUG: a record cannot be encoded: " + err.Error())
		}
		if _, err := w.Write(append([]byte(separator), b...)); err != nil {
			return
		}
		separator = ",\n"
	}
	_, _ = io.WriteString(w, "\n]\n")
}
