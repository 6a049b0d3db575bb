package cohere

import (
	"strconv"
	"strings"

	"sluice/internal/llm"
	"sluice/internal/wire"
)

// ReadEmbed reads an embeddings request. The error is of KindBadRequest, with the field in Param.
func (s Shape) ReadEmbed(body []byte) (*llm.Embed, *llm.Error) {
	e := &llm.Embed{}
	var fault *llm.Error
	err := walk(body, func(name string, at wire.Span) bool {
		fault = s.embedMember(e, name, body, at)
		return fault == nil
	})
	switch {
	case fault != nil:
		return nil, fault
	case err != nil:
		return nil, err
	case len(e.Inputs) == 0:
		return nil, bad(s.inputName(), "%s is missing or empty; it must hold at least one text", s.inputName())
	}
	return e, nil
}

// inputName returns the member that holds the texts.
func (s Shape) inputName() string {
	if s == Cohere {
		return "texts"
	}
	return "input"
}

func (s Shape) embedMember(e *llm.Embed, name string, body []byte, at wire.Span) (fault *llm.Error) {
	lit := at.Of(body)
	if string(lit) == "null" {
		return nil
	}
	switch {
	case name == "model":
		e.Model, fault = text(name, lit)
	case name == s.inputName():
		fault = s.inputs(e, name, body, at)
	case s == Cohere && name == "input_type":
		fault = task(e, name, lit, cohereTasks[:])
	case s == Voyage && name == "input_type":
		fault = task(e, name, lit, voyageTasks[:])
	case s == Jina && name == "task":
		fault = task(e, name, lit, jinaTasks[:])
	case s != Jina && name == "output_dimension", s == Jina && name == "dimensions":
		e.Dimensions, fault = number(name, lit)
	case s == Cohere && name == "embedding_types", s == Jina && name == "embedding_type", s == Voyage && name == "encoding_format":
		fault = encoding(e, name, body, at)
	case s == Cohere && name == "truncate":
		var v string
		if v, fault = text(name, lit); fault == nil {
			e.Truncate = strings.ToLower(v)
		}
	case s == Voyage && name == "truncation", s == Jina && name == "truncate":
		e.Truncate = "none"
		if string(lit) == "true" {
			e.Truncate = "end"
		}
	case name == "user":
		e.User, fault = text(name, lit)
	default:
		e.Extra = append(e.Extra, llm.Member{Name: name, Value: string(lit)})
	}
	return fault
}

// inputs reads the texts. Jina takes objects with a text too.
func (s Shape) inputs(e *llm.Embed, name string, body []byte, at wire.Span) *llm.Error {
	items, list := wire.Elements(body, at)
	if !list {
		items, e.Single = []wire.Span{at}, true
	}
	e.Inputs = make([]llm.EmbedInput, 0, len(items))
	for i, v := range items {
		lit := v.Of(body)
		t, ok := wire.Text(lit)
		if !ok && s == Jina {
			t, ok = textOf(lit)
		}
		if !ok {
			param := name
			if list {
				param += "[" + strconv.Itoa(i) + "]"
			}
			return bad(param, "%s is %s; it must be a text", param, clip(lit))
		}
		e.Inputs = append(e.Inputs, llm.EmbedInput{Text: t})
	}
	return nil
}

// textOf returns the member text of an object that has no other.
func textOf(lit []byte) (t string, ok bool) {
	object, err := wire.Walk(lit, func(name string, at wire.Span) bool {
		if name != "text" || ok {
			ok = false
			return false
		}
		t, ok = wire.Text(at.Of(lit))
		return ok
	})
	return t, ok && object && err == nil
}

// encoding reads how the client wants its vectors. Of several forms (Cohere) only numbers and base64 can be had from another
// dialect.
func encoding(e *llm.Embed, name string, body []byte, at wire.Span) *llm.Error {
	items, list := wire.Elements(body, at)
	if !list {
		items = []wire.Span{at}
	}
	if len(items) != 1 {
		return bad(name, "%s asks for %d forms; one can be had: float or base64", name, len(items))
	}
	switch v, _ := wire.Text(items[0].Of(body)); v {
	case "float":
	case "base64":
		e.Base64 = true
	default:
		return bad(name, "%s is %s; float and base64 can be had", name, clip(items[0].Of(body)))
	}
	return nil
}

// taskName is a protocol's name for a task. The first name of a task is the one that is written.
type taskName struct {
	name string
	task llm.Task
}

var (
	// Cohere's embed-v3 and later refuse a request without input_type.
	cohereTasks = [...]taskName{
		{"search_document", llm.TaskDocument},
		{"search_query", llm.TaskQuery},
		{"classification", llm.TaskClassification},
		{"clustering", llm.TaskClustering},
		{"search_document", llm.TaskNone},
		{"search_query", llm.TaskQuestion},
		{"search_query", llm.TaskFact},
		{"search_query", llm.TaskCode},
		{"clustering", llm.TaskSimilarity},
	}
	voyageTasks = [...]taskName{
		{"document", llm.TaskDocument}, {"query", llm.TaskQuery}, {"query", llm.TaskQuestion}, {"query", llm.TaskFact}, {"query", llm.TaskCode},
	}
	jinaTasks = [...]taskName{
		{"retrieval.passage", llm.TaskDocument},
		{"retrieval.query", llm.TaskQuery},
		{"text-matching", llm.TaskSimilarity},
		{"classification", llm.TaskClassification},
		{"separation", llm.TaskClustering},
		{"retrieval.query", llm.TaskQuestion},
		{"retrieval.query", llm.TaskFact},
		{"retrieval.query", llm.TaskCode},
	}
)

// task reads a task by its name. One that has no word here is kept as it is.
func task(e *llm.Embed, name string, lit []byte, tasks []taskName) *llm.Error {
	v, fault := text(name, lit)
	if fault != nil {
		return fault
	}
	for _, t := range tasks {
		if t.name == v {
			e.Task = t.task
			return nil
		}
	}
	e.Extra = append(e.Extra, llm.Member{Name: name, Value: string(lit)})
	return nil
}

// nameOf returns the name that is written for a task; "" if there is none.
func nameOf(t llm.Task, tasks []taskName) string {
	for _, n := range tasks {
		if n.task == t {
			return n.name
		}
	}
	return ""
}

// CanTask reports whether the protocol has a word for a task.
func (s Shape) CanTask(t llm.Task) bool { return t == llm.TaskNone || nameOf(t, s.tasks()) != "" }

func (s Shape) tasks() []taskName {
	switch s {
	case Cohere:
		return cohereTasks[:]
	case Voyage:
		return voyageTasks[:]
	default:
		return jinaTasks[:]
	}
}

// AppendEmbed appends an embeddings request for a target. Inputs must be texts: none of the protocols takes tokens. A member of
// Extra that the protocol names otherwise here is the caller's to leave out.
func (s Shape) AppendEmbed(dst []byte, e *llm.Embed) []byte {
	dst = append(dst, `{"model":`...)
	dst = wire.AppendString(dst, e.Model)
	dst = append(dst, `,"`+s.inputName()+`":`...)
	if e.Single && s != Cohere && len(e.Inputs) == 1 {
		dst = wire.AppendString(dst, e.Inputs[0].Text)
	} else {
		dst = append(dst, '[')
		for i := range e.Inputs {
			if i > 0 {
				dst = append(dst, ',')
			}
			dst = wire.AppendString(dst, e.Inputs[i].Text)
		}
		dst = append(dst, ']')
	}
	name := "input_type"
	if s == Jina {
		name = "task"
	}
	given := hasMember(e.Extra, name)
	if v := nameOf(e.Task, s.tasks()); v != "" && !given {
		dst = append(dst, `,"`+name+`":`...)
		dst = wire.AppendString(dst, v)
	}
	dst = s.appendForm(dst, e)
	if e.User != "" {
		dst = append(dst, `,"user":`...)
		dst = wire.AppendString(dst, e.User)
	}
	return append(appendExtra(dst, e.Extra), '}')
}

// appendForm appends what the vectors are to be like.
func (s Shape) appendForm(dst []byte, e *llm.Embed) []byte {
	size := "output_dimension"
	if s == Jina {
		size = "dimensions"
	}
	if e.Dimensions > 0 {
		dst = append(dst, `,"`+size+`":`...)
		dst = strconv.AppendInt(dst, e.Dimensions, 10)
	}
	form := "float"
	if e.Base64 {
		form = "base64"
	}
	switch {
	case s == Cohere: // what is not asked for may not come
		dst = append(dst, `,"embedding_types":["`+form+`"]`...)
	case s == Jina && e.Base64:
		dst = append(dst, `,"embedding_type":"base64"`...)
	case s == Voyage && e.Base64:
		dst = append(dst, `,"encoding_format":"base64"`...)
	}
	switch {
	case e.Truncate == "":
	case s == Cohere:
		dst = append(dst, `,"truncate":`...)
		dst = wire.AppendString(dst, strings.ToUpper(e.Truncate))
	default:
		name := "truncate"
		if s == Voyage {
			name = "truncation"
		}
		dst = append(dst, `,"`+name+`":`...)
		dst = strconv.AppendBool(dst, e.Truncate != "none")
	}
	return dst
}

func hasMember(extra []llm.Member, name string) bool {
	for i := range extra {
		if extra[i].Name == name {
			return true
		}
	}
	return false
}

func appendExtra(dst []byte, extra []llm.Member) []byte {
	for i := range extra {
		dst = append(dst, ',')
		dst = wire.AppendString(dst, extra[i].Name)
		dst = append(dst, ':')
		dst = append(dst, extra[i].Value...)
	}
	return dst
}

func text(name string, lit []byte) (string, *llm.Error) {
	v, ok := wire.Text(lit)
	if !ok {
		return "", bad(name, "%s is %s; it must be a string", name, clip(lit))
	}
	return v, nil
}

// number reads a whole number that is not negative.
func number(name string, lit []byte) (int64, *llm.Error) {
	v, ok := int64(0), false
	if len(lit) > 0 && lit[0] != '"' {
		v, ok = wire.Int(lit)
	}
	if !ok || v < 0 {
		return 0, bad(name, "%s is %s; it must be a whole number, 0 or more", name, clip(lit))
	}
	return v, nil
}
