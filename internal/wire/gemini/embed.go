package gemini

import (
	"encoding/json"
	"strconv"

	"sluice/internal/llm"
	"sluice/internal/wire"
)

// tasks are the words for what vectors are for. The table is never written.
var tasks = [...]struct {
	word string
	task llm.Task
}{
	{"RETRIEVAL_QUERY", llm.TaskQuery},
	{"RETRIEVAL_DOCUMENT", llm.TaskDocument},
	{"SEMANTIC_SIMILARITY", llm.TaskSimilarity},
	{"CLASSIFICATION", llm.TaskClassification},
	{"CLUSTERING", llm.TaskClustering},
	{"QUESTION_ANSWERING", llm.TaskQuestion},
	{"FACT_VERIFICATION", llm.TaskFact},
	{"CODE_RETRIEVAL_QUERY", llm.TaskCode},
}

// AppendEmbed appends an embeddings request for a target: for embedContent if e is Single, else for batchEmbedContents, where the API
// wants the model in each of the requests.
func AppendEmbed(dst []byte, e *llm.Embed) []byte {
	if e.Single && len(e.Inputs) == 1 {
		return appendEmbedOne(dst, e, 0, false)
	}
	dst = append(dst, `{"requests":[`...)
	for i := range e.Inputs {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = appendEmbedOne(dst, e, i, true)
	}
	return append(dst, ']', '}')
}

func appendEmbedOne(dst []byte, e *llm.Embed, i int, model bool) []byte {
	dst = append(dst, '{')
	if model {
		dst = append(dst, `"model":`...)
		dst = append(wire.AppendString(dst, ResourceOf(e.Model)), ',')
	}
	dst = append(dst, `"content":{"parts":[`...)
	dst = append(appendText(dst, e.Inputs[i].Text, false, ""), ']', '}')
	for _, t := range tasks {
		if t.task == e.Task {
			dst = append(dst, `,"taskType":`...)
			dst = wire.AppendString(dst, t.word)
		}
	}
	if e.Title != "" {
		dst = append(dst, `,"title":`...)
		dst = wire.AppendString(dst, e.Title)
	}
	if e.Dimensions > 0 {
		dst = append(dst, `,"outputDimensionality":`...)
		dst = strconv.AppendInt(dst, e.Dimensions, 10)
	}
	return append(dst, '}')
}

// ReadEmbed reads an embedContent request, which is Single, or a batchEmbedContents request, for its translation. In the latter all requests must have the
// same task and dimensions; titles that differ go to Extra. The error is of KindBadRequest, with the path of the field in Param.
func ReadEmbed(body []byte) (*llm.Embed, *llm.Error) {
	if _, err := ParseRequest(llm.OpEmbedding, body); err != nil {
		return nil, err
	}
	var d decoder
	o := d.object(element{"", body})
	o.raw("model") // of no effect: it stands in the path
	out := &llm.Embed{Single: true}
	if o.raw("requests") == nil {
		out = d.embedOne(o, out, true)
	} else {
		out.Single = false
		for i, e := range o.list("requests") {
			d.embedOne(d.object(e), out, i == 0)
		}
		o.rest()
	}
	if d.err != nil {
		return nil, d.err
	}
	out.Extra = d.extra
	return out, nil
}

// embedOne adds one request to out.
func (d *decoder) embedOne(rq *object, out *llm.Embed, first bool) *llm.Embed {
	rq.raw("model")
	out.Inputs = append(out.Inputs, llm.EmbedInput{Text: d.embedText(rq)})
	one := llm.Embed{}
	d.embedConfig(rq, &one)
	if c := rq.sub("embedContentConfig"); c != nil { // Vertex AI's form
		d.embedConfig(c, &one)
		c.rest()
	}
	rq.rest()
	switch {
	case first:
		out.Dimensions, out.Task, out.Title, out.Truncate = one.Dimensions, one.Task, one.Title, one.Truncate
	case one.Dimensions != out.Dimensions || one.Task != out.Task || one.Truncate != out.Truncate:
		d.fail(rq.path, "%s has another taskType, outputDimensionality or autoTruncate than the first; all must have the same", rq.path)
	case one.Title != out.Title:
		d.extra = append(d.extra, llm.Member{Name: rq.at("title"), Value: string(wire.AppendString(nil, one.Title))})
	}
	return out
}

// embedConfig reads what o says of the vectors that are wanted.
func (d *decoder) embedConfig(o *object, out *llm.Embed) {
	if n := o.integer("outputDimensionality", 1); n > 0 {
		out.Dimensions = n
	}
	if word := o.enum("taskType", "TASK_TYPE_"); word != "" && word != "UNSPECIFIED" {
		for _, t := range tasks {
			if t.word == word {
				out.Task = t.task
			}
		}
		if out.Task == llm.TaskNone {
			d.fail(o.at("taskType"), "%s is %q, which is no task that is known", o.at("taskType"), wire.Clip([]byte(word), 40))
		}
	}
	if title := o.text("title"); title != "" {
		out.Title = title
	}
	if cut, there := o.boolean("autoTruncate"); there {
		out.Truncate = "none"
		if cut {
			out.Truncate = "end"
		}
	}
}

// embedText returns the text of a request's content. What is no text cannot go to another provider.
func (d *decoder) embedText(rq *object) string {
	c := rq.sub("content")
	if c == nil {
		d.fail(rq.at("content"), "%s is missing", rq.at("content"))
		return ""
	}
	c.raw("role")
	var text string
	for _, e := range c.list("parts") {
		p := d.object(e)
		if len(p.members) > 0 && p.raw("text") == nil {
			d.fail(e.path, "%s is no text; only texts can be embedded here", e.path)
		}
		text += p.text("text")
		p.rest()
	}
	c.rest()
	return text
}

// SplitEmbed returns where the list of a batchEmbedContents request stands, and each of its requests; ok is false for an embedContent
// request.
func SplitEmbed(body []byte) (list wire.Span, inputs []wire.Span, ok bool) {
	return splitList(body, "requests")
}

// embedded is an answer to embedContent or batchEmbedContents.
type embedded struct {
	Embedding     *vector
	Embeddings    []vector
	UsageMetadata json.RawMessage
}

type vector struct{ Values []float32 }

// ReadEmbedded reads the answer to an embedContent or batchEmbedContents request. The error is of KindBadAnswer, or that of an error object in the
// answer.
func ReadEmbedded(body []byte) (*llm.Embedded, *llm.Error) {
	got, fault := Scan(llm.OpEmbedding, body)
	if fault != nil {
		return nil, fault
	}
	if !got.Complete {
		return nil, llm.Errorf(llm.KindBadAnswer, "provider's answer has no embeddings")
	}
	var m embedded
	if err := json.Unmarshal(body, &m); err != nil {
		return nil, llm.Errorf(llm.KindBadAnswer, "provider's answer cannot be read: %v", err)
	}
	if m.Embedding != nil {
		m.Embeddings = append(m.Embeddings, *m.Embedding)
	}
	a := &llm.Embedded{Usage: got.Usage, HasUsage: got.HasUsage, Vectors: make([][]float32, len(m.Embeddings))}
	for i := range m.Embeddings {
		a.Vectors[i] = m.Embeddings[i].Values
	}
	return a, nil
}

// AppendEmbedded appends an embeddings answer for a client that sent rq.
func AppendEmbedded(dst []byte, a *llm.Embedded, rq *llm.Embed) []byte {
	one := rq.Single && len(a.Vectors) == 1
	if one {
		dst = append(dst, `{"embedding":`...)
	} else {
		dst = append(dst, `{"embeddings":[`...)
	}
	for i, v := range a.Vectors {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = append(dst, `{"values":[`...)
		for j, x := range v {
			if j > 0 {
				dst = append(dst, ',')
			}
			dst = strconv.AppendFloat(dst, float64(x), 'g', -1, 32)
		}
		dst = append(dst, ']', '}')
	}
	if !one {
		dst = append(dst, ']')
	}
	if a.HasUsage {
		dst = appendEmbedUsage(dst, a.Usage.Input)
	}
	return append(dst, '}')
}

func appendEmbedUsage(dst []byte, tokens int64) []byte {
	dst = append(dst, `,"usageMetadata":{"promptTokenCount":`...)
	dst = strconv.AppendInt(dst, tokens, 10)
	dst = append(dst, `,"totalTokenCount":`...)
	return append(strconv.AppendInt(dst, tokens, 10), '}')
}

// JoinEmbedded appends one answer made of the answers to the parts of a split batchEmbedContents request, in order, with the bytes of
// their vectors. The usage is their sum, if each has one.
func JoinEmbedded(dst []byte, parts [][]byte) ([]byte, *llm.Error) {
	dst = append(dst, `{"embeddings":[`...)
	start := len(dst)
	var tokens int64
	used := len(parts) > 0
	for i, body := range parts {
		got, fault := Scan(llm.OpEmbedding, body)
		if fault != nil {
			return nil, fault
		}
		tokens += got.Usage.Input
		used = used && got.HasUsage
		_, vectors, ok := splitList(body, "embeddings")
		if !ok {
			return nil, llm.Errorf(llm.KindBadAnswer, "provider's answer to part %d of %d has no embeddings", i+1, len(parts))
		}
		for _, at := range vectors {
			if len(dst) > start {
				dst = append(dst, ',')
			}
			dst = append(dst, at.Of(body)...)
		}
	}
	dst = append(dst, ']')
	if used {
		dst = appendEmbedUsage(dst, tokens)
	}
	return append(dst, '}'), nil
}

// splitList returns where a list of a body stands, and each of its elements.
func splitList(body []byte, list string) (at wire.Span, all []wire.Span, ok bool) {
	_, err := wire.Walk(body, func(name string, v wire.Span) bool {
		if name == list {
			at = v
			all, ok = wire.Elements(body, v)
		}
		return true
	})
	return at, all, ok && err == nil
}
