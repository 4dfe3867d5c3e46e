/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/* The state of the screen. */
#include "ui/ui.h"

#include <string.h>

void ui_init(struct ui *ui, const struct options *o)
{
	*ui = (struct ui){ 0 };
	memcpy(ui->orders, o->orders, sizeof(ui->orders));
}

enum table_id ui_table(const struct ui *ui)
{
	return view_of_tab(ui->view);
}
