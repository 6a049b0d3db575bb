package gemini

import (
	"strconv"

	"sluice/internal/llm"
	"sluice/internal/wire"
)

// Model is an entry of the list of models.
type Model struct {
	Name         string // without models/
	Description  string
	InputTokens  int64 // limit; 0 if not known
	OutputTokens int64
	Ops          []llm.Op // that it can be asked for; nil for chat and the count of its tokens
}

// AppendModels appends a list of models. next is the token of the next page, "" for the last.
func AppendModels(dst []byte, all []Model, next string) []byte {
	dst = append(dst, `{"models":[`...)
	for i := range all {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = AppendModel(dst, &all[i])
	}
	dst = append(dst, ']')
	if next != "" {
		dst = append(dst, `,"nextPageToken":`...)
		dst = wire.AppendString(dst, next)
	}
	return append(dst, '}')
}

// AppendModel appends one model.
func AppendModel(dst []byte, m *Model) []byte {
	dst = append(dst, `{"name":`...)
	dst = wire.AppendString(dst, "models/"+m.Name)
	dst = append(dst, `,"baseModelId":`...)
	dst = wire.AppendString(dst, m.Name)
	dst = append(dst, `,"version":"001","displayName":`...)
	dst = wire.AppendString(dst, m.Name)
	if m.Description != "" {
		dst = append(dst, `,"description":`...)
		dst = wire.AppendString(dst, m.Description)
	}
	if m.InputTokens > 0 {
		dst = append(dst, `,"inputTokenLimit":`...)
		dst = strconv.AppendInt(dst, m.InputTokens, 10)
	}
	if m.OutputTokens > 0 {
		dst = append(dst, `,"outputTokenLimit":`...)
		dst = strconv.AppendInt(dst, m.OutputTokens, 10)
	}
	dst = append(dst, `,"supportedGenerationMethods":[`...)
	first := true
	add := func(method string) {
		if !first {
			dst = append(dst, ',')
		}
		first = false
		dst = append(append(append(dst, '"'), method...), '"')
	}
	ops := m.Ops
	if ops == nil {
		ops = []llm.Op{llm.OpChat, llm.OpCountTokens}
	}
	for _, op := range ops {
		switch op {
		case llm.OpChat:
			add("generateContent")
			add("streamGenerateContent")
		case llm.OpEmbedding:
			add("embedContent")
			add("batchEmbedContents")
		case llm.OpCountTokens:
			add("countTokens")
		}
	}
	return append(dst, ']', '}')
}
