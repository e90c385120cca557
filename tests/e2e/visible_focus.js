// Whether one sees where the focus is: an outline or a ring on the element itself or on what stands for it.
() => {
  const element = document.activeElement;
  if (element === document.body) return true; // behind the last one
  const ringed = ({ outlineStyle, outlineWidth, boxShadow }) =>
    (outlineStyle !== "none" && outlineWidth !== "0px") || boxShadow !== "none";
  const standIns = [element, element.closest(".composer"), element.nextElementSibling];
  return standIns.filter(Boolean).some((one) => ringed(getComputedStyle(one)));
}
