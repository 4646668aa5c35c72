// Runs before the first paint, so that a page never flashes in the other theme.
{
  const theme = localStorage.getItem("glassbox.theme");
  if (theme) document.documentElement.dataset.theme = theme;
}
