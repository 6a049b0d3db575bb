package bench

import "sluice/internal/llm"

// answerSchema is what requests of the kind structured ask answers to follow.
const answerSchema = `{"type":"object","properties":{"title":{"type":"string"},"summary":{"type":"string"},` +
	`"tags":{"type":"array","items":{"type":"string"}},"score":{"type":"number"}},` +
	`"required":["title","summary","tags","score"],"additionalProperties":false}`

// tools are what requests of the kind tools offer the model.
func tools() []llm.Tool {
	return []llm.Tool{
		{
			Name: "search_documents", Description: "Search the knowledge base and return the best passages.",
			Parameters: `{"type":"object","properties":{"query":{"type":"string"},"limit":{"type":"integer"}},"required":["query"]}`,
		},
		{
			Name: "get_order", Description: "Look up an order by its number.",
			Parameters: `{"type":"object","properties":{"order_id":{"type":"string"}},"required":["order_id"]}`,
		},
	}
}
