/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "base/options.h"

#include <stddef.h>

#include "base/report.h"

bool
options_parse(const struct option_parser *parser, void *ret, int argc, char **argv, int *status)
{
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
		wrong = parser->take(ret, option, optarg);
		if (wrong != NULL) {
			probe_say(optarg != NULL && optarg[0] ? "%s, not '%s'" : "%s", wrong, optarg);
			return false;
		}
	}
	return true;
}
