// Checks files of deploy/ with the libraries of the programs that read them: `checks compose FILE…` loads compose
// files as Docker Compose does, `checks rules FILE…` reads Prometheus rule files as Prometheus does, `checks promql`
// parses the expressions on standard input, one a line, `checks chart FOLDER [VALUES…]` lints and renders a chart as
// Helm does. What they hold is printed as JSON.
package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"os"

	"github.com/compose-spec/compose-go/v2/cli"
	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/rulefmt"
	"github.com/prometheus/prometheus/promql/parser"
	"helm.sh/helm/v3/pkg/chart/loader"
	"helm.sh/helm/v3/pkg/chartutil"
	"helm.sh/helm/v3/pkg/engine"
	"helm.sh/helm/v3/pkg/lint"
	"helm.sh/helm/v3/pkg/lint/support"
)

func main() {
	if len(os.Args) < 2 {
		fail(fmt.Errorf("usage: checks compose FILE… | rules FILE… | promql | chart FOLDER [VALUES…]"))
	}
	switch os.Args[1] {
	case "compose":
		compose(os.Args[2:])
	case "rules":
		rules(os.Args[2:])
	case "chart":
		chart(os.Args[2], os.Args[3:])
	case "promql":
		expressions()
	default:
		fail(fmt.Errorf("no check %q", os.Args[1]))
	}
}

func fail(err error) {
	fmt.Fprintln(os.Stderr, err)
	os.Exit(1)
}

func print(value any) {
	if err := json.NewEncoder(os.Stdout).Encode(value); err != nil {
		fail(err)
	}
}

func compose(files []string) {
	options, err := cli.NewProjectOptions(files, cli.WithOsEnv, cli.WithInterpolation(true), cli.WithResolvedPaths(true))
	if err != nil {
		fail(err)
	}
	project, err := options.LoadProject(context.Background())
	if err != nil {
		fail(err)
	}
	print(project)
}

func rules(files []string) {
	found := map[string][]string{} // by alert
	for _, file := range files {
		groups, errs := rulefmt.ParseFile(file, false, model.UTF8Validation, parser.NewParser(parser.Options{}), slog.Default())
		for _, err := range errs {
			fmt.Fprintln(os.Stderr, err)
		}
		if len(errs) > 0 {
			os.Exit(1)
		}
		for _, group := range groups.Groups {
			for _, rule := range group.Rules {
				found[rule.Alert+rule.Record] = metrics(rule.Expr)
			}
		}
	}
	print(found)
}

func expressions() {
	found := map[string][]string{}
	lines := bufio.NewScanner(os.Stdin)
	for lines.Scan() {
		found[lines.Text()] = metrics(lines.Text())
	}
	print(found)
}

// metrics are the names that an expression selects.
func metrics(expression string) []string {
	parsed, err := parser.NewParser(parser.Options{}).ParseExpr(expression)
	if err != nil {
		fail(fmt.Errorf("%s: %w", expression, err))
	}
	names := []string{}
	parser.Inspect(parsed, func(node parser.Node, _ []parser.Node) error {
		if selector, ok := node.(*parser.VectorSelector); ok {
			names = append(names, selector.Name)
		}
		return nil
	})
	return names
}

// chart prints the rendered templates by name. The values are checked against the chart's schema first, as by Helm.
func chart(folder string, files []string) {
	loaded, err := loader.Load(folder)
	if err != nil {
		fail(err)
	}
	values := chartutil.Values{}
	for _, file := range files {
		more, err := chartutil.ReadValuesFile(file)
		if err != nil {
			fail(err)
		}
		values = chartutil.CoalesceTables(more, values)
	}
	linted := lint.All(folder, values, "streamgauge", true)
	for _, message := range linted.Messages {
		if message.Severity > support.InfoSev {
			fail(fmt.Errorf("lint: %s: %w", message.Path, message.Err))
		}
	}
	release := chartutil.ReleaseOptions{Name: "farm", Namespace: "streamgauge", Revision: 1, IsInstall: true}
	given, err := chartutil.ToRenderValues(loaded, values, release, chartutil.DefaultCapabilities)
	if err != nil {
		fail(err)
	}
	rendered, err := engine.Render(loaded, given)
	if err != nil {
		fail(err)
	}
	print(rendered)
}
