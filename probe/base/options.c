/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "base/options.h"

#include <stddef.h>
#include <string.h>

#include "base/report.h"

enum { GIVEN_MAX = 16 };

/* Options with a value, and what it was. */
struct given {
	int option;
	const char *value;
};

static const char *
name_of(const struct option_parser *parser, int option)
{
	for (const struct option *o = parser->options; o->name != NULL; o++)
		if (o->val == option)
			return o->name;
	return "";
}

/* False, which was said, when OPTION has another value already: whoever typed that would not learn
 * that it does not count. */
static bool
once(const struct option_parser *parser, struct given given[GIVEN_MAX], int option, const char *value)
{
	int i = 0;

	while (i < GIVEN_MAX - 1 && given[i].value != NULL && given[i].option != option)
		i++;
	if (given[i].value != NULL && given[i].option == option && strcmp(given[i].value, value) != 0) {
		probe_say("--%s is given twice, as '%s' and as '%s'; it takes one value; see viommu-probe %s --help",
			name_of(parser, option), given[i].value, value, parser->command);
		return false;
	}
	given[i] = (struct given){ option, value };
	return true;
}

bool
options_parse(const struct option_parser *parser, void *ret, int argc, char **argv, int *status)
{
	struct given given[GIVEN_MAX] = { 0 };
	int option;

	*status = PROBE_EXIT_USAGE;
	opterr = 0;
	optind = 1;
	while ((option = getopt_long(argc, argv, parser->letters, parser->options, NULL)) != -1) {
		const char *wrong;

		if (option == 'h' || option == 'V') {
			*status = probe_print(option == 'h' ? parser->help : "viommu-probe " VIOMMU_VERSION "\n");
			return false;
		}
		if (option == '?' || option == ':') {
			probe_say(option == ':' ? "%s wants an argument; see viommu-probe %s --help"
						: "there is no option %s; see viommu-probe %s --help",
				argv[optind - 1], parser->command);
			return false;
		}
		if (optarg != NULL && !once(parser, given, option, optarg))
			return false;
		wrong = parser->take(ret, option, optarg);
		if (wrong != NULL) {
			probe_say(optarg != NULL && optarg[0] ? "%s, not '%s'" : "%s", wrong, optarg);
			return false;
		}
	}
	return true;
}
